import { useEffect, useRef } from 'react'
import type { ResultOf } from '../api/typed-document.ts'
import { useApi } from '../api/use-api.ts'
import { JobProgress } from '../generated/operations.ts'

export type Job = NonNullable<ResultOf<typeof JobProgress>['job']>

export const isSettled = ({ state }: Pick<Job, 'state'>): boolean =>
  state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELED'

const POLL_MS = 1_000

/** A job as it goes, asked for every second until it is settled; `onSettled` hears that once. */
export function useJob(id: string | undefined, onSettled?: (job: Job) => void): Job | undefined {
  const { data } = useApi(
    JobProgress,
    { id: id ?? '' },
    {
      enabled: id !== undefined,
      staleTime: 0,
      refetchInterval: ({ state }) => (state.data?.job && isSettled(state.data.job) ? false : POLL_MS),
    },
  )
  const job = data?.job ?? undefined
  const heard = useRef<string>(undefined)
  const listener = useRef(onSettled)
  listener.current = onSettled
  useEffect(() => {
    if (!job || !isSettled(job) || heard.current === job.id) return
    heard.current = job.id
    listener.current?.(job)
  }, [job])
  return job
}
