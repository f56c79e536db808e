import type { Identity, IdentityMember, Item, Project } from '../generated/prisma/client.ts'
import { listDecisions } from '../services/decisions.ts'
import { invalid } from '../services/errors.ts'
import * as identities from '../services/identities.ts'
import * as members from '../services/identity-members.ts'
import type { GraphEdgeSource } from './cluster-run.ts'
import { type PageArgs, pageOf, toConnection } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, encodeId } from './global-id.ts'
import { payload, toUserErrorSource } from './payload.ts'

export const id = (identity: Identity) => encodeId('Identity', identity)

export const identity = (_root: unknown, { id }: { id: string }, { app, viewer }: Context) =>
  identities.getIdentity(app, viewer, decodeId('Identity', id, 'id'))

export const mergedInto = ({ projectId, mergedIntoId }: Identity, _args: unknown, { load }: Context) =>
  mergedIntoId ? load.identity.load({ projectId, id: mergedIntoId }) : null

export const cover = ({ projectId, coverItemId }: Identity, _args: unknown, { load }: Context) =>
  coverItemId ? load.item.load({ projectId, id: coverItemId }) : null

export const purity = ({ projectId, id }: Identity, _args: unknown, { load }: Context) =>
  load.purity.load({ projectId, id })

type IdentitiesArgs = PageArgs & { filter?: identities.IdentityFilter | null; orderBy: identities.IdentityOrder }

export async function projectIdentities({ id }: Project, args: IdentitiesArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  const filter = args.filter ?? {}
  const found = await identities.listIdentities(app, viewer, id, page, filter, args.orderBy)
  return {
    ...toConnection(page, found, identities.identityKeyset(args.orderBy), (node) => ({ node })),
    totalCount: ({ cap }: { cap: number }) => identities.countIdentities(app, viewer, id, filter, cap),
  }
}

/** Facts of the membership sit on the edge; node and vertex are found in one batch each. */
const memberEdge = (load: Context['load']) => (member: members.Member) => ({
  node: load.item.load({ projectId: member.projectId, id: member.itemId }) as Promise<Item>,
  source: member.source,
  vertex: () => load.publishedVertex.load({ projectId: member.projectId, id: member.itemId }),
})

type MembersArgs = PageArgs & { orderBy: members.MemberOrder }

export async function identityMembers(identity: Identity, args: MembersArgs, { app, viewer, load }: Context) {
  const page = pageOf(args)
  const found = await members.listMembers(app, viewer, identity, page, args.orderBy)
  return toConnection<IdentityMember, Promise<Item>>(page, found, members.memberKeyset(args.orderBy), memberEdge(load))
}

export async function membersAt(
  identity: Identity,
  args: PageArgs & { ledgerRevision: number },
  { app, viewer, load }: Context,
) {
  const page = pageOf(args)
  const found = await members.listMembersAt(app, viewer, identity, args.ledgerRevision, page)
  return toConnection<members.Member, Promise<Item>>(page, found, ({ itemId }) => [itemId], memberEdge(load))
}

export async function history({ projectId, id }: Identity, args: PageArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  const found = await listDecisions(app, viewer, projectId, page, { identityId: id })
  return toConnection(
    page,
    found,
    ({ ledgerRevision }) => [ledgerRevision],
    (node) => ({ node }),
  )
}

export const mergeCandidates = (identity: Identity, { first }: { first: number }, { app, viewer }: Context) =>
  members.listMergeCandidates(app, viewer, identity, first)

export const candidateIdentity = (
  { projectId, identityId }: members.MergeCandidate,
  _args: unknown,
  { load }: Context,
) => load.identity.load({ projectId, id: identityId }) as Promise<Identity>

export const candidateEdge = (candidate: members.MergeCandidate): GraphEdgeSource => candidate

interface UpdateInput {
  updates: { identityId: string; expectedRevision: number; name?: string | null; state?: Identity['state'] | null }[]
  errorPolicy: 'REJECT_EVERYTHING' | 'REJECT_FAILED_ROWS'
  idempotencyKey: string
}

export const updateIdentities = payload(
  async ({ input }: { input: UpdateInput }, { app, viewer, load }) => {
    const refs = input.updates.map(({ identityId }, i) =>
      decodeId('Identity', identityId, 'input', 'updates', String(i)),
    )
    const [first] = refs
    if (!first) throw invalid(`updates must have 1 to ${identities.MAX_UPDATES} rows: got 0`, 'input', 'updates')
    const { projectId } = first
    const updates = input.updates.map((update, i) => {
      const ref = refs[i] as { projectId: string; id: string }
      // An identity of another project is no identity here.
      return { ...update, identityId: ref.projectId === projectId ? ref.id : '00000000-0000-0000-0000-000000000000' }
    })
    const outcomes = await identities.updateIdentities(app, viewer, { ...input, projectId, updates })
    return {
      results: outcomes.map(({ identityId, refusal }) => ({
        identity: load.identity.load({ projectId, id: identityId }),
        userErrors: refusal ? [toUserErrorSource(refusal)] : [],
      })),
    }
  },
  { results: [] },
)
