import { type FormEvent, useState } from 'react'
import { useCommand } from '../../api/use-command.ts'
import { type ClusterMethod, Runs, StartRun } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { useProject } from '../../shell/project-context.ts'
import { METHODS, NEEDS_COUNT } from './methods.ts'
import styles from './runs.module.css'

/** Starts a run; what it finds is shown first and published later. */
export function StartRunForm({ onStarted }: { onStarted(runId: string): void }) {
  const { id: projectId } = useProject()
  const start = useCommand(StartRun, Runs)
  const [method, setMethod] = useState<ClusterMethod>('AUTO')
  const [isIncremental, setIncremental] = useState(false)
  const [clusterCount, setClusterCount] = useState('')
  const needsCount = NEEDS_COUNT.includes(method)

  async function submit(event: FormEvent) {
    event.preventDefault()
    const started = await start.run({
      projectId,
      method,
      incremental: isIncremental,
      parameters: needsCount ? { clusterCount: Number(clusterCount) } : null,
    })
    if (started?.clusterRun) onStarted(started.clusterRun.id)
  }

  return (
    <form className={`card ${styles.form}`} onSubmit={submit}>
      <label className={styles.field}>
        Method
        <select value={method} onChange={(event) => setMethod(event.target.value as ClusterMethod)}>
          {(Object.keys(METHODS) as ClusterMethod[]).map((value) => (
            <option key={value} value={value}>
              {METHODS[value][0]}
            </option>
          ))}
        </select>
      </label>
      {needsCount && (
        <label className={styles.field}>
          Clusters wanted
          <input
            type="number"
            min={1}
            required
            value={clusterCount}
            onChange={(event) => setClusterCount(event.target.value)}
          />
        </label>
      )}
      <label className={styles.check}>
        <input type="checkbox" checked={isIncremental} onChange={(event) => setIncremental(event.target.checked)} />
        Only place new images
      </label>
      <button type="submit" className="primary" disabled={start.isPending}>
        Start a run
      </button>
      <p className="soft small">{METHODS[method][1]}.</p>
      {start.problem && <Banner tone="bad">{start.problem}</Banner>}
    </form>
  )
}
