import { useEffect, useRef } from 'react'
import type { ResultOf, TypedDocument } from '../api/typed-document.ts'
import { useApi } from '../api/use-api.ts'
import type { JobProgress } from '../generated/operations.ts'

export type Job = NonNullable<ResultOf<typeof JobProgress>['job']>

export const isSettled = ({ state }: Pick<Job, 'state'>): boolean =>
  state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELED'

const POLL_MS = 1_000

/**
 * A job as it goes, asked for every second until it is settled; `onSettled` hears that once.
 *
 * @param document what to ask of the job
 * @param id none is followed while this is undefined
 */
export function useJob<Result extends { job: Job | null }>(
  document: TypedDocument<Result, { id: string | number }>,
  id: string | undefined,
  onSettled?: () => void,
) {
  const query = useApi(
    document,
    { id: id ?? '' },
    {
      enabled: id !== undefined,
      staleTime: 0,
      refetchInterval: ({ state }) => (state.data?.job && isSettled(state.data.job) ? false : POLL_MS),
    },
  )
  const job: Result['job'] | undefined = query.data?.job
  const heard = useRef<string>(undefined)
  const listener = useRef(onSettled)
  listener.current = onSettled
  useEffect(() => {
    if (!job || !isSettled(job) || heard.current === job.id) return
    heard.current = job.id
    listener.current?.()
  }, [job])
  return { ...query, job }
}
