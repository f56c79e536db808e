import type { ReviewTask } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'
import type { DecisionState, Plan } from './decision-plan.ts'

type OpenTask = Pick<ReviewTask, 'id' | 'kind' | 'leftItemId' | 'rightItemId' | 'leftIdentityId' | 'rightIdentityId'>

/**
 * Open tasks that a plan answers: an EDGE whose ends part, a MERGE whose sides join, and any question about an item that
 * is excluded or an identity that is gone. Previews count them, applying makes them OBSOLETE; they keep their holder,
 * whose answer is then no mistake.
 *
 * @param exceptTaskId the task whose answer this is.
 */
export async function findNeedlessTasks(
  { prisma }: { prisma: App['prisma'] | Tx },
  projectId: string,
  state: DecisionState,
  plan: Plan,
  exceptTaskId?: string,
): Promise<string[]> {
  const touched = [...plan.touched]
  const stated = plan.statements.flatMap(({ leftItemId, rightItemId }) =>
    rightItemId ? [leftItemId, rightItemId] : [leftItemId],
  )
  const items = [...new Set([...plan.moves.map(({ itemId }) => itemId), ...stated])]
  if (items.length === 0 && touched.length === 0) return []
  const tasks = await prisma.$queryRaw<OpenTask[]>`
    /* findNeedlessTasks */
    SELECT "id", "kind", "leftItemId", "rightItemId", "leftIdentityId", "rightIdentityId" FROM "ReviewTask"
    WHERE "projectId" = ${projectId}::uuid AND "state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED')
      AND ("leftItemId" = ANY(${items}::uuid[]) OR "rightItemId" = ANY(${items}::uuid[])
        OR "leftIdentityId" = ANY(${touched}::uuid[]) OR "rightIdentityId" = ANY(${touched}::uuid[]))`
  const after = new Map(
    [...state.members.values()].map((member) => [member.itemId, member.identityId as string | null]),
  )
  for (const { itemId, toIdentityId } of plan.moves) after.set(itemId, toIdentityId)
  const excluded = new Set(
    plan.statements.filter(({ kind }) => kind === 'EXCLUDED').map(({ leftItemId }) => leftItemId),
  )
  const decided = new Set(plan.statements.map((s) => [s.leftItemId, s.rightItemId ?? ''].sort().join('/')))
  const gone = new Set(
    [...plan.identityChanges]
      .filter(([, change]) => change.state === 'MERGED' || change.state === 'DISSOLVED')
      .map(([id]) => id),
  )
  const isNeedless = (task: OpenTask): boolean => {
    const { leftItemId: left, rightItemId: right, leftIdentityId, rightIdentityId } = task
    if ((left && excluded.has(left)) || (right && excluded.has(right))) return true
    if (left && right && decided.has([left, right].sort().join('/'))) return true
    if (task.kind === 'ASSIGN') return left !== null && after.get(left) != null
    if (task.kind === 'OUTLIERS') return leftIdentityId !== null && gone.has(leftIdentityId)
    if (!left || !right || !after.has(left) || !after.has(right)) {
      // One side lies outside what changed: the question stands unless its identity is gone.
      return (
        task.kind === 'EDGE' &&
        ((leftIdentityId && gone.has(leftIdentityId)) || (rightIdentityId && gone.has(rightIdentityId))) === true
      )
    }
    const isTogether = after.get(left) !== null && after.get(left) === after.get(right)
    return task.kind === 'EDGE' ? !isTogether : isTogether
  }
  return tasks.filter((task) => task.id !== exceptTaskId && isNeedless(task)).map(({ id }) => id)
}
