import {
  QueryClient,
  type UseMutationOptions,
  type UseQueryOptions,
  useMutation,
  useQuery,
} from '@tanstack/react-query'
import { send } from './client.ts'
import { ConnectionError, RefusedError } from './errors.ts'
import type { TypedDocument } from './typed-document.ts'

/** Answers are shown at once and refreshed behind; only what may succeed later is tried again. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => error instanceof ConnectionError && failures < 3,
    },
    mutations: { retry: (failures, error) => error instanceof ConnectionError && failures < 3 },
  },
})

/** The answer to a query, kept and shared by its name and variables. */
export function useApi<Result, Variables>(
  document: TypedDocument<Result, Variables>,
  variables: Variables,
  options: Omit<UseQueryOptions<Result>, 'queryKey' | 'queryFn'> = {},
) {
  return useQuery<Result>({
    queryKey: [document.name, variables],
    queryFn: ({ signal }) => send(document, variables, { signal }),
    ...options,
  })
}

/** Drops the kept answers of these queries, so that what shows them asks again. */
export async function refresh(...documents: Pick<TypedDocument<unknown, unknown>, 'name'>[]): Promise<void> {
  await Promise.all(documents.map(({ name }) => queryClient.invalidateQueries({ queryKey: [name] })))
}

/** The payload of a mutation, with the reasons of a refusal. */
export interface Refusable {
  userErrors: readonly { message: string; code: string }[]
}

/** The payload of a mutation: the first of its refusals is thrown. */
export function accepted<Payload extends Refusable>(payload: Payload): Payload {
  const [refusal] = payload.userErrors
  if (refusal) throw new RefusedError(refusal.message, refusal.code)
  return payload
}

/** A mutation; give it one idempotency key for all its attempts (`newKey()` in its variables). */
export function useAction<Result, Variables>(
  document: TypedDocument<Result, Variables>,
  options: Omit<UseMutationOptions<Result, Error, Variables>, 'mutationFn'> = {},
) {
  return useMutation<Result, Error, Variables>({ mutationFn: (variables) => send(document, variables), ...options })
}

export { newKey } from './new-key.ts'
