import type { Context } from './context.ts'
import type { UserErrorSource } from './payload.ts'

const present = <Row>(rows: (Row | Error | null)[]): Row[] =>
  rows.filter((row): row is Row => row !== null && !(row instanceof Error))

const refs = (error: UserErrorSource, ids: string[] = []) =>
  error.projectId ? ids.map((id) => ({ projectId: error.projectId as string, id })) : []

export const currentRevision = (error: UserErrorSource) => error.currentRevision ?? 0

export const interveningDecisions = async (error: UserErrorSource, _args: unknown, { load }: Context) =>
  present(await load.decision.loadMany(refs(error, error.interveningDecisionIds)))

export const conflictingConstraints = async (error: UserErrorSource, _args: unknown, { load }: Context) =>
  present(await load.constraint.loadMany(refs(error, error.conflictingConstraintIds)))

export const task = (error: UserErrorSource, _args: unknown, { load }: Context) =>
  error.projectId && error.taskId ? load.reviewTask.load({ projectId: error.projectId, id: error.taskId }) : null
