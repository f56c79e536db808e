import { Link } from 'wouter'
import { localMedia } from '../../api/media.ts'
import { ImportProgress } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { JobProgress } from '../../parts/job-progress.tsx'
import { Failure, Loading } from '../../parts/states.tsx'
import { isSettled, useJob } from '../../parts/use-job.ts'
import styles from './import-screen.module.css'

/** How an import goes: rows done, rows that failed and why, and where to go from here. */
export function ImportProgressView({
  jobId,
  onSettled,
  onAgain,
}: {
  jobId: string
  onSettled(): void
  onAgain(): void
}) {
  const { job, isPending, error, refetch } = useJob(ImportProgress, jobId, onSettled)
  if (isPending) return <Loading label="Starting" />
  if (!job) return <Failure error={error} onRetry={() => refetch()} />
  const failed = job.failedRowCount
  return (
    <div className="stack">
      <JobProgress job={job} label="Import" />
      {job.state === 'SUCCEEDED' && (
        <Banner
          tone={failed === 0 ? 'good' : 'warn'}
          action={
            <Link className="button" href="/runs">
              Start a run
            </Link>
          }
        >
          {failed === 0 ? 'Every row is in.' : `Done; ${failed.toLocaleString()} rows were left out.`}
        </Banner>
      )}
      {failed > 0 && (
        <section className="stack" aria-labelledby="failed-rows">
          <div className={styles.failedTitle}>
            <h2 id="failed-rows">Rows that failed: {failed.toLocaleString()}</h2>
            {job.failedRowsUrl && (
              <a className="button" href={localMedia(job.failedRowsUrl)} download="failed-rows.jsonl">
                Download all
              </a>
            )}
          </div>
          <div className={styles.scroll}>
            <table>
              <thead>
                <tr>
                  <th>Row</th>
                  <th>Key</th>
                  <th>What is wrong</th>
                </tr>
              </thead>
              <tbody>
                {job.failedRows.map(({ row, externalKey, problem }) => (
                  <tr key={row}>
                    <td className="number">{row}</td>
                    <td>{externalKey ?? '–'}</td>
                    <td>{problem}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {failed > job.failedRows.length && <p className="soft">The first {job.failedRows.length} are shown.</p>}
        </section>
      )}
      {isSettled(job) && (
        <div className="row">
          <button type="button" onClick={onAgain}>
            Import something else
          </button>
        </div>
      )}
    </div>
  )
}
