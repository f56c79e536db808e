import { createRng } from '../../src/engine/rng.ts'
import { buildReviewQueue } from '../../src/jobs/build-review-queue.ts'
import type { Viewer } from '../../src/services/access.ts'
import { newId } from '../../src/services/id.ts'
import type { TestApp } from './app.ts'

export interface QueueMember {
  /** Class that it really is of. */
  truth: string
  /** Of the link to the root, which is the first member. */
  probability?: number
  /** Place in its cluster that it hangs on; default 0, the root. */
  parent?: number
}

export interface QueueMerge {
  /** [cluster, place] of both ends. */
  left: [number, number]
  right: [number, number]
  probability: number
}

/**
 * A project with a published run made by hand: clusters as trees, merges between them, one proposed identity for each
 * cluster of two or more. No engine is needed, so that every probability is known.
 */
export async function openQueueProject(
  { app }: TestApp,
  clusters: QueueMember[][],
  merges: QueueMerge[],
  { settings = {}, annotators = 2 }: { settings?: object; annotators?: number } = {},
) {
  const { prisma } = app
  const [projectId, spaceId, runId] = [newId(), newId(), newId()]
  const review = { auditShare: 0, goldShare: 0, nearDuplicateSimilarity: 1, ...settings }
  await prisma.project.create({
    data: { id: projectId, name: 'queue', embeddingDimension: 8, activeSpaceId: spaceId, settings: { review } },
  })
  await prisma.embeddingSpace.create({
    data: { projectId, id: spaceId, number: 1, dimension: 8, embedderId: 'import' },
  })
  const admin = await prisma.user.findFirstOrThrow({ where: { displayName: 'Ada' } })
  await prisma.membership.create({ data: { projectId, userId: admin.id, role: 'ADMIN' } })
  const people: Viewer[] = []
  for (let i = 0; i < annotators; i++) {
    const userId = newId()
    await prisma.user.create({ data: { id: userId, displayName: `Annotator ${i}` } })
    await prisma.membership.create({ data: { projectId, userId, role: 'ANNOTATOR' } })
    people.push({ userId, requestId: 'test', roles: new Map() })
  }

  const rng = createRng(5)
  const centres = new Map<string, number[]>()
  const vectorOf = (truth: string) => {
    let centre = centres.get(truth)
    if (!centre) {
      centre = Array.from({ length: 8 }, () => rng.normal())
      centres.set(truth, centre)
    }
    return centre.map((value) => value + 0.5 * rng.normal())
  }
  const truthOf = new Map<string, string>()
  const itemIds: string[][] = []
  const first: number[] = []
  let index = 0
  for (const [c, members] of clusters.entries()) {
    first.push(index)
    itemIds.push(members.map(() => newId()))
    const identityId = members.length > 1 ? newId() : null
    if (identityId) await prisma.identity.create({ data: { projectId, id: identityId, memberCount: members.length } })
    const sizes = members.map((_, place) => {
      let size = 1
      for (let again = true; again; ) {
        again = false
        // Trees are given by parents that come before their children.
        size = members.filter((__, other) => {
          for (let at: number = other; ; at = members[at]?.parent ?? 0) {
            if (at === place) return true
            if (at === 0) return false
          }
        }).length
      }
      return size
    })
    for (const [place, { truth, probability = 0.9, parent = 0 }] of members.entries()) {
      const itemId = itemIds[c]?.[place] as string
      truthOf.set(itemId, truth)
      await prisma.item.create({ data: { projectId, id: itemId, externalKey: `${c}/${place}` } })
      await prisma.$executeRaw`INSERT INTO "Embedding" ("projectId", "spaceId", "itemId", "vector")
        VALUES (${projectId}::uuid, ${spaceId}::uuid, ${itemId}::uuid, ${JSON.stringify(vectorOf(truth))}::vector)`
      const size = sizes[place] as number
      const impact = place === 0 ? 0 : (1 - probability) * size * (members.length - size)
      await prisma.vertex.create({
        data: {
          projectId,
          runId,
          index: index++,
          itemId,
          clusterIndex: c,
          confidence: 1 - place / 100,
          parentIndex: place === 0 ? null : (first[c] as number) + parent,
          parentSimilarity: place === 0 ? null : 0.8,
          parentProbability: place === 0 ? null : probability,
          subtreeSize: size,
          impact,
        },
      })
      if (identityId) {
        await prisma.identityMember.create({ data: { projectId, itemId, identityId, source: 'MODEL', risk: impact } })
      }
    }
    await prisma.cluster.create({
      data: { projectId, runId, index: c, size: members.length, rootIndex: first[c] as number, identityId, risk: 0 },
    })
  }
  for (const { left, right, probability } of merges) {
    await prisma.mergeEdge.create({
      data: {
        projectId,
        runId,
        leftCluster: left[0],
        rightCluster: right[0],
        childIndex: (first[left[0]] as number) + left[1],
        parentIndex: (first[right[0]] as number) + right[1],
        similarity: 0.7,
        probability,
        priority: probability * (clusters[left[0]]?.length ?? 0) * (clusters[right[0]]?.length ?? 0),
      },
    })
  }
  await prisma.clusterRun.create({
    data: {
      projectId,
      id: runId,
      jobId: newId(),
      state: 'PUBLISHED',
      method: 'THRESHOLD',
      spaceId,
      vertexCount: index,
      clusterCount: clusters.length,
      createdById: admin.id,
    },
  })
  await prisma.project.update({ where: { id: projectId }, data: { publishedRunId: runId } })
  const build = () =>
    buildReviewQueue.run({
      app,
      job: { projectId } as never,
      payload: { runId },
      signal: new AbortController().signal,
      progress: () => {},
      checkpoint: async () => {},
      failRow: () => {},
    })
  await build()
  const adminViewer: Viewer = { userId: admin.id, requestId: 'test', roles: new Map() }
  return { projectId, runId, itemIds, truthOf, admin: adminViewer, people, build }
}

export type QueueProject = Awaited<ReturnType<typeof openQueueProject>>
