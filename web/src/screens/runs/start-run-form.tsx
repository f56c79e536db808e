import { type FormEvent, useState } from 'react'
import { messageOf } from '../../api/errors.ts'
import { accepted, newKey, refresh, useAction } from '../../api/use-api.ts'
import { type ClusterMethod, Runs, StartRun } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { useProject } from '../../shell/project-context.ts'
import { METHODS, NEEDS_COUNT } from './methods.ts'
import styles from './runs.module.css'

/** Starts a run; what it finds is shown first and published later. */
export function StartRunForm({ onStarted }: { onStarted(runId: string): void }) {
  const { id: projectId } = useProject()
  const start = useAction(StartRun)
  const [method, setMethod] = useState<ClusterMethod>('AUTO')
  const [isIncremental, setIncremental] = useState(false)
  const [clusterCount, setClusterCount] = useState('')
  const [problem, setProblem] = useState<string>()
  const needsCount = NEEDS_COUNT.includes(method)

  async function submit(event: FormEvent) {
    event.preventDefault()
    setProblem(undefined)
    try {
      const { startClusterRun } = await start.mutateAsync({
        input: {
          projectId,
          method,
          incremental: isIncremental,
          parameters: needsCount ? { clusterCount: Number(clusterCount) } : null,
          idempotencyKey: newKey(),
        },
      })
      const { clusterRun } = accepted(startClusterRun)
      await refresh(Runs)
      if (clusterRun) onStarted(clusterRun.id)
    } catch (error) {
      setProblem(messageOf(error))
    }
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
      {problem && <Banner tone="bad">{problem}</Banner>}
    </form>
  )
}
