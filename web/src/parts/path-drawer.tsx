import type { ResultOf } from '../api/typed-document.ts'
import { useApi } from '../api/use-api.ts'
import { PathToRoot } from '../generated/operations.ts'
import { Drawer } from './drawer.tsx'
import { ImageTile } from './image-tile.tsx'
import styles from './path-drawer.module.css'
import { wholePercent } from './percent.ts'
import { Failure, Loading } from './states.tsx'

/** Why an image is where it is: the chain of links from it up to the root of its cluster. */
export function PathDrawer({
  vertexId,
  link,
  onClose,
}: {
  vertexId: string
  /** The link that a question is about, when it is not part of the path itself. */
  link?: { similarity: number; probability: number }
  onClose(): void
}) {
  const path = useApi(PathToRoot, { vertexId })
  return (
    <Drawer title={link ? 'Why this question?' : 'Why is it here?'} onClose={onClose}>
      {link && (
        <p className={styles.about}>
          The model finds the two in question <strong>{wholePercent(link.probability)} likely the same</strong>{' '}
          (similarity {link.similarity.toFixed(2)}). Trust your eyes: this is what you are asked to check.
        </p>
      )}
      {path.isPending ? (
        <Loading label="Following its links" />
      ) : path.isError ? (
        <Failure error={path.error} onRetry={() => path.refetch()} />
      ) : (
        <Path vertex={path.data.node} />
      )}
    </Drawer>
  )
}

function Path({ vertex }: { vertex: ResultOf<typeof PathToRoot>['node'] }) {
  if (!vertex || !('pathToRoot' in vertex)) return <p>This image takes no part in the published run.</p>
  const { item, confidence, pathToRoot } = vertex
  return (
    <div className="stack">
      <p>
        {pathToRoot.length === 0
          ? 'It is the root of its cluster: no neighbour is more confident, so everything else in the cluster leads to it.'
          : 'Each image hangs on a neighbour that is more confident. This is the chain up to the root of the cluster.'}
      </p>
      <ol className={styles.path}>
        <li className={styles.step}>
          <ImageTile src={item.thumbnailUrl} name={item.externalKey} isOutlined isEager />
          <p>
            <strong>This image</strong>
            <br />
            <span className="soft">Confidence {confidence.toFixed(2)}</span>
            {item.identity && (
              <>
                <br />
                <span className="soft">
                  In {item.identity.name ?? 'an unnamed identity'} of {item.identity.memberCount}
                </span>
              </>
            )}
          </p>
        </li>
        {pathToRoot.map(({ parent, similarity, probability, constraint }, i) => (
          <li key={parent.id} className={styles.step}>
            <p className={styles.link}>
              <strong>{wholePercent(probability)} likely the same</strong>
              <br />
              <span className="soft">similarity {similarity.toFixed(2)}</span>
              {constraint && (
                <>
                  <br />
                  {constraint.kind === 'MUST_LINK' ? 'A person said: same' : 'A person said: different'}
                </>
              )}
            </p>
            <ImageTile src={parent.item.thumbnailUrl} name={parent.item.externalKey} isEager />
            <p>
              {i === pathToRoot.length - 1 && (
                <>
                  <strong>Root of the cluster</strong>
                  <br />
                </>
              )}
              <span className="soft">Confidence {parent.confidence.toFixed(2)}</span>
            </p>
          </li>
        ))}
      </ol>
    </div>
  )
}
