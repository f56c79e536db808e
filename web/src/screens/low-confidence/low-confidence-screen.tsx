import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { send } from '../../api/client.ts'
import { LowConfidence } from '../../generated/operations.ts'
import { ImageTile } from '../../parts/image-tile.tsx'
import { PathDrawer } from '../../parts/path-drawer.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { VirtualGrid } from '../../parts/virtual-grid.tsx'
import { useProject } from '../../shell/project-context.ts'
import styles from './low-confidence-screen.module.css'

/** The published run's vertices, least confident first; each shows on demand why it is in its cluster. */
export default function LowConfidenceScreen() {
  const { id: projectId } = useProject()
  const [shownId, setShownId] = useState<string>()
  const pages = useInfiniteQuery({
    queryKey: [LowConfidence.name, projectId],
    queryFn: ({ pageParam, signal }) => send(LowConfidence, { projectId, after: pageParam }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => {
      const info = page.project?.publishedRun?.vertices.pageInfo
      return info?.hasNextPage ? info.endCursor : undefined
    },
    staleTime: 60_000,
  })
  if (pages.isPending) return <Loading label="Looking for the least confident images" />
  if (pages.isError) return <Failure error={pages.error} onRetry={() => pages.refetch()} />
  const run = pages.data.pages[0]?.project?.publishedRun
  if (!run) {
    return (
      <Empty title="No run is published yet">
        Confidence is what a run thinks of each image. Start a run under “Runs &amp; quality” and publish it.
      </Empty>
    )
  }
  const vertices = pages.data.pages.flatMap(
    (page) => page.project?.publishedRun?.vertices.edges.map(({ node }) => node) ?? [],
  )
  return (
    <div className={styles.screen}>
      <header className={styles.header}>
        <h1>Least confident first</h1>
        <p className="soft">
          {run.vertexCount.toLocaleString()} images in the published run. Click an image, or press Enter on it, to see
          why it is in its cluster.
        </p>
      </header>
      <div className={styles.grid}>
        <VirtualGrid
          label="Images, least confident first"
          items={vertices}
          keyOf={({ id }) => id}
          onActivate={({ id }) => setShownId(id)}
          hasMore={pages.hasNextPage && !pages.isFetchingNextPage}
          onEndReached={pages.fetchNextPage}
          renderTile={({ item, confidence }) => (
            <ImageTile src={item.thumbnailUrl} name={item.externalKey} note={confidence.toFixed(2)} />
          )}
        />
      </div>
      {shownId && <PathDrawer vertexId={shownId} onClose={() => setShownId(undefined)} />}
    </div>
  )
}
