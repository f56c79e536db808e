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

/** The member and all that hang on it. */
function subtreeSize(members: readonly QueueMember[], top: number): number {
  const isBelow = (place: number): boolean => place === top || (place > 0 && isBelow(members[place]?.parent ?? 0))
  return members.filter((_, place) => isBelow(place)).length
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
  const itemIds = clusters.map((members) => members.map(() => newId()))
  const first: number[] = []
  let vertexCount = 0
  for (const members of clusters) {
    first.push(vertexCount)
    vertexCount += members.length
  }
  const identities = clusters.map((members) => (members.length > 1 ? newId() : null))
  const rows = clusters.flatMap((members, c) =>
    members.map(({ truth, probability = 0.9, parent = 0 }, place) => {
      const itemId = itemIds[c]?.[place] as string
      truthOf.set(itemId, truth)
      const isRoot = place === 0
      const size = subtreeSize(members, place)
      const vertex = {
        projectId,
        runId,
        index: (first[c] as number) + place,
        itemId,
        clusterIndex: c,
        confidence: 1 - place / 100,
        parentIndex: isRoot ? null : (first[c] as number) + parent,
        parentSimilarity: isRoot ? null : 0.8,
        parentProbability: isRoot ? null : probability,
        subtreeSize: size,
        impact: isRoot ? 0 : (1 - probability) * size * (members.length - size),
      }
      return {
        vertex,
        externalKey: `${c}/${place}`,
        vector: JSON.stringify(vectorOf(truth)),
        identityId: identities[c],
      }
    }),
  )
  await prisma.item.createMany({
    data: rows.map(({ vertex, externalKey }) => ({ projectId, id: vertex.itemId, externalKey })),
  })
  await prisma.$executeRaw`INSERT INTO "Embedding" ("projectId", "spaceId", "itemId", "vector")
    SELECT ${projectId}::uuid, ${spaceId}::uuid, t.item, t.vector::vector
    FROM unnest(${rows.map(({ vertex }) => vertex.itemId)}::uuid[], ${rows.map(({ vector }) => vector)}::text[]) AS t(item, vector)`
  await prisma.vertex.createMany({ data: rows.map(({ vertex }) => vertex) })
  await prisma.identity.createMany({
    data: clusters.flatMap((members, c) => {
      const id = identities[c]
      return id ? [{ projectId, id, memberCount: members.length }] : []
    }),
  })
  await prisma.identityMember.createMany({
    data: rows.flatMap(({ vertex: { itemId, impact: risk }, identityId }) =>
      identityId ? [{ projectId, itemId, identityId, source: 'MODEL' as const, risk }] : [],
    ),
  })
  await prisma.cluster.createMany({
    data: clusters.map((members, index) => ({
      projectId,
      runId,
      index,
      size: members.length,
      rootIndex: first[index] as number,
      identityId: identities[index],
      risk: 0,
    })),
  })
  await prisma.mergeEdge.createMany({
    data: merges.map(({ left, right, probability }) => ({
      projectId,
      runId,
      leftCluster: left[0],
      rightCluster: right[0],
      childIndex: (first[left[0]] as number) + left[1],
      parentIndex: (first[right[0]] as number) + right[1],
      similarity: 0.7,
      probability,
      priority: probability * (clusters[left[0]]?.length ?? 0) * (clusters[right[0]]?.length ?? 0),
    })),
  })
  await prisma.clusterRun.create({
    data: {
      projectId,
      id: runId,
      jobId: newId(),
      state: 'PUBLISHED',
      method: 'THRESHOLD',
      spaceId,
      vertexCount,
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
