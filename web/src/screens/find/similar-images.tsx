import { useState } from 'react'
import { Link } from 'wouter'
import { useApi } from '../../api/use-api.ts'
import { SimilarTo } from '../../generated/operations.ts'
import { ImageTile } from '../../parts/image-tile.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { nameOf } from '../identity/identity-words.ts'
import styles from './find-screen.module.css'
import { SimilarGrid } from './similar-grid.tsx'

/** One image and what looks like it, most similar first. */
export function SimilarImages({ itemId, onLookAt }: { itemId: string; onLookAt(itemId: string): void }) {
  const [isOutside, setOutside] = useState(false)
  const own = useApi(SimilarTo, { itemId })
  const found = own.data?.node && 'similar' in own.data.node ? own.data.node : undefined
  const identityId = found?.identity?.id
  const outside = useApi(
    SimilarTo,
    { itemId, excludeIdentityId: identityId },
    { enabled: isOutside && identityId !== undefined },
  )
  if (own.isPending) return <Loading label="Looking for similar images" />
  if (own.isError) return <Failure error={own.error} onRetry={() => own.refetch()} />
  if (!found) return <Empty title="There is no such image">It may belong to another project.</Empty>
  const shown = isOutside && outside.data?.node && 'similar' in outside.data.node ? outside.data.node : found
  return (
    <div className={styles.similar}>
      <aside className={styles.asked}>
        <ImageTile src={found.thumbnailUrl} name={found.externalKey} isOutlined isEager />
        {found.identity ? (
          <>
            <Link className="button" href={`/identities/${found.identity.id}`}>
              {nameOf(found.identity)} ({found.identity.memberCount})
            </Link>
            <label className={styles.toggle}>
              <input type="checkbox" checked={isOutside} onChange={(event) => setOutside(event.target.checked)} />
              Only outside its identity
            </label>
          </>
        ) : (
          <p className="soft">In no identity</p>
        )}
      </aside>
      <SimilarGrid label={`Images like ${found.externalKey}`} similar={shown.similar} onLookAt={onLookAt} />
    </div>
  )
}
