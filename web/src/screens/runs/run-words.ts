import type { ClusterMethod, ClusterRunState } from '../../generated/operations.ts'
import { methodName } from './methods.ts'

export const RUN_STATES: Record<ClusterRunState, string> = {
  QUEUED: 'Waiting',
  RUNNING: 'Running',
  READY: 'Ready to publish',
  PUBLISHED: 'Published',
  SUPERSEDED: 'Published before',
  FAILED: 'Failed',
  CANCELED: 'Stopped',
}

/** "Auto: Infomap", or the method itself. */
export const runMethod = ({
  method,
  chosenMethod,
}: {
  method: ClusterMethod
  chosenMethod: ClusterMethod | null
}): string => (method === 'AUTO' && chosenMethod ? `Auto: ${methodName(chosenMethod)}` : methodName(method))

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

export const when = (time: string): string =>
  new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
