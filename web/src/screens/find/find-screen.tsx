import { type FormEvent, useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import { useApi } from '../../api/use-api.ts'
import { CanSearchByImage, FindByText } from '../../generated/operations.ts'
import { ImageTile } from '../../parts/image-tile.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { useProject } from '../../shell/project-context.ts'
import { nameOf } from '../identity/identity-words.ts'
import styles from './find-screen.module.css'
import { DropZone, ImageSearch } from './image-search.tsx'
import { SimilarImages } from './similar-images.tsx'

/** Identities by their name, images by their key, and images that look like one of these. What is shown is in the address. */
export default function FindScreen() {
  const [address, setAddress] = useSearchParams()
  const text = address.get('text') ?? ''
  const itemId = address.get('item')
  const { id: projectId } = useProject()
  const [dropped, setDropped] = useState<File>()
  const canSearchByImage = useApi(CanSearchByImage, { projectId }).data?.project?.hasEmbedder ?? false

  function go(next: Record<string, string>) {
    setDropped(undefined)
    setAddress(next)
  }

  function search(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const next = String(new FormData(event.currentTarget).get('text') ?? '').trim()
    go(next === '' ? {} : { text: next })
  }

  return (
    <DropZone onDrop={canSearchByImage ? setDropped : undefined}>
      <search>
        <form key={text} className={styles.search} onSubmit={search}>
          <label htmlFor="find">Find</label>
          <input
            id="find"
            name="text"
            type="search"
            defaultValue={text}
            placeholder="Name of an identity, or key of an image"
          />
          <button type="submit" className="primary">
            Find
          </button>
          {canSearchByImage && (
            <label className="button">
              By an image of yours
              <input
                type="file"
                accept="image/*"
                className="spoken"
                onChange={(event) => setDropped(event.target.files?.[0])}
              />
            </label>
          )}
        </form>
      </search>
      {dropped ? (
        <ImageSearch file={dropped} onLookAt={(id) => go({ item: id })} />
      ) : itemId ? (
        <SimilarImages key={itemId} itemId={itemId} onLookAt={(id) => go({ item: id })} />
      ) : text === '' ? (
        <Empty title="Find an identity or an image">
          Type a part of an identity’s name, or the whole key of an image to see what looks like it
          {canSearchByImage ? ', or drop an image here' : ''}.
        </Empty>
      ) : (
        <Found text={text} onLookAt={(id) => go({ item: id })} />
      )}
    </DropZone>
  )
}

function Found({ text, onLookAt }: { text: string; onLookAt(itemId: string): void }) {
  const { id: projectId } = useProject()
  const found = useApi(FindByText, { projectId, text, keys: [text] })
  if (found.isPending) return <Loading label="Looking" />
  if (found.isError) return <Failure error={found.error} onRetry={() => found.refetch()} />
  const identities = found.data.project?.identities.edges.map(({ node }) => node) ?? []
  const items = found.data.project?.items.edges.map(({ node }) => node) ?? []
  if (identities.length === 0 && items.length === 0) {
    return <Empty title={`Nothing is called “${text}”`}>Names match in part; keys of images must be whole.</Empty>
  }
  return (
    <div className={styles.results}>
      {items.length > 0 && (
        <section aria-label="Images">
          <h2>Images</h2>
          <ul className={styles.grid}>
            {items.map((item) => (
              <li key={item.id}>
                <button type="button" className={styles.tile} onClick={() => onLookAt(item.id)}>
                  <ImageTile src={item.thumbnailUrl} name={item.externalKey} isEager />
                  <span className="small">What looks like it?</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {identities.length > 0 && (
        <section aria-label="Identities">
          <h2>Identities</h2>
          <ul className={styles.grid}>
            {identities.map((identity) => (
              <li key={identity.id}>
                <Link className={styles.tile} href={`/identities/${identity.id}`}>
                  <ImageTile
                    src={identity.cover?.thumbnailUrl ?? ''}
                    name={nameOf(identity)}
                    note={identity.memberCount.toLocaleString()}
                  />
                </Link>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}
