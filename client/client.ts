/** A small typed client of the Tributary API. It needs nothing but `fetch`. */
import { JobDocument, type JobQuery, type UserErrorCode } from './generated.ts'

/** An operation whose result and variables are known, as in `generated.ts`. */
export interface TypedDocument<Result, Variables> {
  toString(): string
  __apiType?: (variables: Variables) => Result
}

/** A refusal of a mutation that its caller can act on. */
export interface Refusal {
  readonly code: UserErrorCode
  readonly message: string
  readonly path?: readonly string[] | null
}

/** An operation failed as a whole: sign-in, limits, syntax, or a fault of the server. */
export class TributaryError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
    /** Quote it when you report a problem. */
    readonly requestId: string | undefined,
    /** Set when there was too much: come back after so many seconds. */
    readonly retryAfterSeconds?: number,
  ) {
    super(message)
    this.name = 'TributaryError'
  }
}

/** A mutation was refused: `refusals` says why, field by field. */
export class RefusedError extends Error {
  constructor(readonly refusals: readonly Refusal[]) {
    super(refusals.map(({ code, message }) => `${code}: ${message}`).join('; '))
    this.name = 'RefusedError'
  }
}

export interface ClientOptions {
  /** Such as https://tributary.example.org/graphql. */
  readonly url: string
  /** API key, personal token or bearer token. */
  readonly token: string
  readonly fetch?: typeof fetch
}

type Job = NonNullable<JobQuery['job']>

const SETTLED: readonly string[] = ['SUCCEEDED', 'FAILED', 'CANCELED']

export function createClient({ url, token, fetch: send = fetch }: ClientOptions) {
  /** Runs one operation. @throws TributaryError when it fails as a whole. */
  async function request<Result, Variables>(
    document: TypedDocument<Result, Variables>,
    variables: Variables,
    signal?: AbortSignal,
  ): Promise<Result> {
    const response = await send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: document.toString(), variables }),
      signal,
    })
    const body = (await response.json().catch(() => undefined)) as
      | { data?: Result; errors?: { message: string; extensions?: { code?: string } }[] }
      | undefined
    const [error] = body?.errors ?? []
    if (error || !body?.data) {
      throw new TributaryError(
        error?.message ?? `${url} answered ${response.status} without a result`,
        error?.extensions?.code ?? 'NO_RESULT',
        response.status,
        response.headers.get('x-request-id') ?? undefined,
        Number(response.headers.get('retry-after')) || undefined,
      )
    }
    return body.data
  }

  /** Runs a mutation of one field and returns its payload. @throws RefusedError when it has userErrors. */
  async function mutate<Result extends object, Variables>(
    document: TypedDocument<Result, Variables>,
    variables: Variables,
  ): Promise<Result[keyof Result]> {
    const [payload] = Object.values(await request(document, variables)) as [Result[keyof Result]]
    const { userErrors = [] } = payload as { userErrors?: readonly Refusal[] }
    if (userErrors.length > 0) throw new RefusedError(userErrors)
    return payload
  }

  /** Every node of a connection, page after page. `pick` finds the connection in the answer. */
  async function* pages<Result, Variables extends { after?: string | null }, Node>(
    document: TypedDocument<Result, Variables>,
    variables: Variables,
    pick: (
      result: Result,
    ) => { edges: { node: Node }[]; pageInfo: { hasNextPage: boolean; endCursor?: string | null } } | null | undefined,
  ): AsyncGenerator<Node> {
    for (let after = variables.after; ; ) {
      const page = pick(await request(document, { ...variables, after }))
      for (const { node } of page?.edges ?? []) yield node
      if (!page?.pageInfo.hasNextPage) return
      after = page.pageInfo.endCursor
    }
  }

  /** Follows a job to its end. @throws Error with the reason when it failed or was cancelled. */
  async function waitForJob(id: string, { everyMs = 1_000, onProgress = (_job: Job) => {} } = {}): Promise<Job> {
    for (;;) {
      const { job } = await request(JobDocument, { id })
      if (!job) throw new Error(`no job has the id ${id}`)
      onProgress(job)
      if (job.state === 'SUCCEEDED') return job
      if (SETTLED.includes(job.state)) throw new Error(`the job ${job.kind} ended as ${job.state}: ${job.failure}`)
      await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  }

  return { request, mutate, pages, waitForJob }
}

export type Client = ReturnType<typeof createClient>
