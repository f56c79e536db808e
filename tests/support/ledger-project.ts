import type { Viewer } from '../../src/services/access.ts'
import { newId } from '../../src/services/id.ts'
import type { TestApp } from './app.ts'

/** A project with proposed identities, made without a run: `sizes[i]` members each, and as many free items as `free`. */
export async function openLedgerProject({ app }: TestApp, sizes: number[], free: number) {
  const { prisma } = app
  const projectId = newId()
  const user = await prisma.user.findFirstOrThrow({ where: { displayName: 'Ada' } })
  await prisma.project.create({
    data: { id: projectId, name: 'ledger', embeddingDimension: 4, activeSpaceId: newId() },
  })
  await prisma.membership.create({ data: { projectId, userId: user.id, role: 'ADMIN' } })
  const item = async (key: string) => {
    const id = newId()
    await prisma.item.create({ data: { projectId, id, externalKey: key } })
    return id
  }
  const itemIds: string[] = []
  const identityIds: string[] = []
  for (const [i, size] of sizes.entries()) {
    const identityId = newId()
    identityIds.push(identityId)
    await prisma.identity.create({ data: { projectId, id: identityId, memberCount: size } })
    for (let m = 0; m < size; m++) {
      const itemId = await item(`${i}/${m}`)
      itemIds.push(itemId)
      await prisma.identityMember.create({
        data: { projectId, itemId, identityId, source: 'MODEL', confidence: m / size },
      })
      await prisma.membershipEvent.create({
        data: { projectId, id: newId(), ledgerRevision: 0, itemId, toIdentityId: identityId, toSource: 'MODEL' },
      })
    }
  }
  for (let i = 0; i < free; i++) itemIds.push(await item(`free/${i}`))
  const viewer: Viewer = { userId: user.id, requestId: 'test', roles: new Map() }
  return { projectId, itemIds, identityIds, viewer }
}

export type LedgerProject = Awaited<ReturnType<typeof openLedgerProject>>

/** Who is where, in a form that two moments can be compared in. */
export async function snapshot({ app }: TestApp, projectId: string) {
  const members = await app.prisma.identityMember.findMany({ where: { projectId }, orderBy: { itemId: 'asc' } })
  const identities = await app.prisma.identity.findMany({
    where: { projectId, state: { notIn: ['DISSOLVED', 'MERGED'] } },
    orderBy: { id: 'asc' },
  })
  return {
    members: members.map(({ itemId, identityId, source }) => `${itemId} ${identityId} ${source}`),
    identities: identities.map(({ id, state, name, memberCount }) => `${id} ${state} ${name} ${memberCount}`),
  }
}
