import { Link } from 'wouter'
import { queryClient, refresh, useApi } from '../../api/use-api.ts'
import { useCommand } from '../../api/use-command.ts'
import { JobProgress as JobQuery, PublishRun, RunDetail, Runs } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { Bars } from '../../parts/bars.tsx'
import { JobProgress } from '../../parts/job-progress.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { isSettled, useJob } from '../../parts/use-job.ts'
import { useProject } from '../../shell/project-context.ts'
import { RunDiff } from './run-diff.tsx'
import { percent, RUN_STATES, runMethod, when } from './run-words.ts'
import styles from './runs.module.css'

/** One run: how it goes, what it found, what would change, and the button that publishes it. */
export function RunDetailView({ runId }: { runId: string }) {
  const { id: projectId } = useProject()
  const detail = useApi(RunDetail, { id: runId, projectId })
  const publish = useCommand(PublishRun)
  const run = detail.data?.clusterRun
  const { job: live } = useJob(JobQuery, run && !isSettled(run.job) ? run.job.id : undefined, () => {
    refresh(RunDetail, Runs)
  })
  if (detail.isPending) return <Loading label="Opening the run" />
  if (detail.isError) return <Failure error={detail.error} onRetry={() => detail.refetch()} />
  const { project } = detail.data
  if (!run || !project) return <Empty title="There is no such run">It may belong to another project.</Empty>
  const job = live ?? run.job
  const publishedId = project.publishedRun?.id
  const { quality } = run

  async function onPublish() {
    if (!project) return
    const published = await publish.run({ clusterRunId: runId, expectedLedgerRevision: project.ledgerRevision })
    // What is published is what every screen shows.
    await (published ? queryClient.invalidateQueries() : refresh(RunDetail))
  }

  return (
    <div className="stack">
      <header className={styles.title}>
        <div>
          <h1>{runMethod(run)}</h1>
          <p className="soft">
            {when(run.createdAt)} · <span className={styles.state}>{RUN_STATES[run.state]}</span>
            {run.parent && (
              <>
                {' '}
                · continues <Link href={`/runs/${run.parent.id}`}>the run of {when(run.parent.createdAt)}</Link>
              </>
            )}
          </p>
        </div>
        {run.state === 'READY' && (
          <button type="button" className="primary" disabled={publish.isPending} onClick={onPublish}>
            {publish.isPending ? 'Publishing …' : 'Publish this run'}
          </button>
        )}
      </header>
      {publish.problem && <Banner tone="bad">{publish.problem}</Banner>}
      {(!isSettled(job) || job.failure) && <JobProgress job={job} label="Computing this run" />}
      {run.explanation && <p>{run.explanation}</p>}
      {run.clusterCount > 0 && (
        <dl className={`card ${styles.facts}`}>
          <Fact label="Images" value={run.vertexCount.toLocaleString()} />
          <Fact label="Clusters" value={run.clusterCount.toLocaleString()} />
          <Fact label="Human decisions kept" value={run.constraintsHonoured.toLocaleString()} />
          {run.model && <Fact label="Model" value={`No. ${run.model.number}`} />}
          {quality && (
            <>
              <Fact
                label={`Pairwise F on ${quality.itemCount.toLocaleString()} confirmed`}
                value={percent(quality.pairwise.f)}
              />
              <Fact label="BCubed F" value={percent(quality.bcubed.f)} />
              <Fact label="NMI" value={percent(quality.nmi)} />
            </>
          )}
        </dl>
      )}
      <div className={styles.columns}>
        {run.confidenceHistogram.some((count) => count > 0) && (
          <div className="card">
            <Bars title="Confidence of the images" counts={run.confidenceHistogram} from={-1} to={1} />
          </div>
        )}
        {run.phases.length > 0 && (
          <div className="card">
            <table>
              <caption className="spoken">Phases of the run</caption>
              <thead>
                <tr>
                  <th>Phase</th>
                  <th>Seconds</th>
                  <th>Memory, at most</th>
                </tr>
              </thead>
              <tbody>
                {run.phases.map(({ name, seconds, peakRssBytes }) => (
                  <tr key={name}>
                    <td>{name.replaceAll('_', ' ')}</td>
                    <td className="number">{seconds.toFixed(1)}</td>
                    <td className="number">{(peakRssBytes / 1e6).toFixed(0)} MB</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </div>
      {run.chosenParameters && Object.keys(run.chosenParameters).length > 0 && (
        <details>
          <summary>Parameters</summary>
          <dl className={styles.facts}>
            {Object.entries(run.chosenParameters).map(([name, value]) => (
              <Fact key={name} label={name} value={typeof value === 'object' ? JSON.stringify(value) : String(value)} />
            ))}
          </dl>
        </details>
      )}
      {publishedId && publishedId !== runId && run.clusterCount > 0 && (
        <RunDiff runId={runId} againstRunId={publishedId} />
      )}
    </div>
  )
}

function Fact({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  )
}
