import { useAction } from '../api/use-api.ts'
import { CancelJob } from '../generated/operations.ts'
import styles from './job-progress.module.css'
import { isSettled, type Job } from './use-job.ts'

const STATE_WORDS: Record<Job['state'], string> = {
  QUEUED: 'Waiting for a worker',
  RUNNING: 'Running',
  CANCELING: 'Stopping',
  CANCELED: 'Stopped',
  SUCCEEDED: 'Done',
  FAILED: 'Failed',
}

const share = ({ completed, total }: Job): number | undefined => (total ? Math.min(1, completed / total) : undefined)

/** What a job is doing, how far it is, and a way to stop it. */
export function JobProgress({ job, label }: { job: Job; label: string }) {
  const cancel = useAction(CancelJob)
  const done = share(job)
  const phase = job.phase ? job.phase.replaceAll('_', ' ') : undefined
  return (
    <div className={styles.job} role="status" aria-label={label}>
      <div className={styles.line}>
        <strong>{label}</strong>
        <span className="soft number">
          {STATE_WORDS[job.state]}
          {!isSettled(job) && phase && `: ${phase}`}
          {!isSettled(job) && job.total ? `, ${job.completed.toLocaleString()} of ${job.total.toLocaleString()}` : ''}
        </span>
        {(job.state === 'QUEUED' || job.state === 'RUNNING') && (
          <button type="button" disabled={cancel.isPending} onClick={() => cancel.mutate({ input: { jobId: job.id } })}>
            Stop
          </button>
        )}
      </div>
      {!isSettled(job) && <progress className={styles.bar} max={1} value={done} aria-label={label} />}
      {job.failure && <p className={styles.failure}>{job.failure}</p>}
    </div>
  )
}
