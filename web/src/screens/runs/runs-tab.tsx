import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useLocation } from 'wouter'
import { send } from '../../api/client.ts'
import { Runs } from '../../generated/operations.ts'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { isSettled } from '../../parts/use-job.ts'
import { useProject } from '../../shell/project-context.ts'
import { percent, RUN_STATES, runMethod, when } from './run-words.ts'
import styles from './runs.module.css'
import { StartRunForm } from './start-run-form.tsx'

const WATCH_MS = 2_000

/** Every run, newest first, and the form that starts another. */
export function RunsTab() {
  const { id: projectId } = useProject()
  const [, navigate] = useLocation()
  const pages = useInfiniteQuery({
    queryKey: [Runs.name, projectId],
    queryFn: ({ pageParam, signal }) => send(Runs, { projectId, after: pageParam }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ project }) =>
      project?.clusterRuns.pageInfo.hasNextPage ? project.clusterRuns.pageInfo.endCursor : undefined,
    refetchInterval: ({ state }) =>
      state.data?.pages[0]?.project?.clusterRuns.edges.some(({ node }) => !isSettled(node.job)) ? WATCH_MS : false,
  })
  const runs = pages.data?.pages.flatMap(({ project }) => project?.clusterRuns.edges.map(({ node }) => node) ?? [])
  return (
    <>
      <StartRunForm onStarted={(runId) => navigate(`/runs/${runId}`)} />
      {pages.isPending ? (
        <Loading label="Looking for runs" />
      ) : !runs ? (
        <Failure error={pages.error} onRetry={() => pages.refetch()} />
      ) : runs.length === 0 ? (
        <Empty title="No run yet">
          Start one above: it groups the images, and nothing changes until you publish it.
        </Empty>
      ) : (
        <section className={styles.scroll} aria-label="Runs, newest first">
          <table>
            <thead>
              <tr>
                <th>Started</th>
                <th>Method</th>
                <th>State</th>
                <th>Images</th>
                <th>Clusters</th>
                <th>
                  <abbr title="Agreement with the identities that people confirmed">Pairwise F</abbr>
                </th>
                <th>BCubed F</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <tr key={run.id}>
                  <td>
                    <Link className={styles.link} href={`/runs/${run.id}`}>
                      {when(run.createdAt)}
                    </Link>
                  </td>
                  <td>{runMethod(run)}</td>
                  <td>
                    <span className={styles.state}>{RUN_STATES[run.state]}</span>
                  </td>
                  <td className="number">{run.vertexCount.toLocaleString()}</td>
                  <td className="number">{run.clusterCount.toLocaleString()}</td>
                  <td className="number">{run.quality ? percent(run.quality.pairwise.f) : '–'}</td>
                  <td className="number">{run.quality ? percent(run.quality.bcubed.f) : '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {pages.hasNextPage && (
            <button type="button" disabled={pages.isFetchingNextPage} onClick={() => pages.fetchNextPage()}>
              Show older runs
            </button>
          )}
        </section>
      )}
    </>
  )
}
