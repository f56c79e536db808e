import { type ChangeEvent, useRef, useState } from 'react'
import { Link } from 'wouter'
import { messageOf } from '../../api/errors.ts'
import { putFile } from '../../api/put-file.ts'
import { accepted, newKey, queryClient, useAction } from '../../api/use-api.ts'
import { CreateUpload, type ImportConflict, StartImport } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { useProject } from '../../shell/project-context.ts'
import { type Chosen, choose, contentOf, type Kind } from './chosen-files.ts'
import { ImportProgressView } from './import-progress.tsx'
import styles from './import-screen.module.css'

const KINDS: [Kind, title: string, says: string, accept: string | undefined][] = [
  ['folder', 'A folder of images', 'Each folder inside becomes a label; pictures at the top have none.', undefined],
  ['archive', 'A zip archive', 'Pictures in folders, or a manifest with the pictures it names.', '.zip'],
  [
    'manifest',
    'A manifest',
    'JSONL, CSV or Parquet with a key, an image address and, if you have them, an embedding and a label; or a matrix (.npy, .bin).',
    '.jsonl,.ndjson,.csv,.parquet,.npy,.bin,.f32',
  ],
]

const CONFLICTS: [ImportConflict, string, string][] = [
  ['SKIP', 'Leave what is there', 'Images whose key is known stay as they are.'],
  ['REPLACE', 'Replace', 'Image, embedding and metadata are replaced; decisions stay.'],
  ['REJECT', 'Refuse the row', 'The row is listed as failed.'],
]

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

/** Brings images in: what, what to do with known keys, then how it goes, row by row. */
export default function ImportScreen() {
  const { id: projectId } = useProject()
  const [chosen, setChosen] = useState<Chosen>()
  const [onExisting, setOnExisting] = useState<ImportConflict>('SKIP')
  const [sentBytes, setSentBytes] = useState<number>()
  const [total, setTotal] = useState(0)
  const [problem, setProblem] = useState<string>()
  const [jobId, setJobId] = useState<string>()
  const createUpload = useAction(CreateUpload)
  const startImport = useAction(StartImport)
  const stopper = useRef<AbortController>(undefined)

  function onChoose(kind: Kind, event: ChangeEvent<HTMLInputElement>) {
    const next = choose(kind, event.target.files ?? [])
    // The same folder can be chosen again after it was mended.
    event.target.value = ''
    setProblem(typeof next === 'string' ? next : undefined)
    setChosen(typeof next === 'string' ? undefined : next)
  }

  async function onStart() {
    if (!chosen) return
    setProblem(undefined)
    setSentBytes(0)
    stopper.current = new AbortController()
    try {
      const content = await contentOf(chosen)
      setTotal(content.size)
      const { createUpload: made } = await createUpload.mutateAsync({
        input: { projectId, fileName: chosen.name, byteSize: content.size },
      })
      const { uploadUrl, stagedUrl } = accepted(made)
      await putFile(uploadUrl as string, content, { signal: stopper.current.signal, onProgress: setSentBytes })
      const { startImport: begun } = await startImport.mutateAsync({
        input: { projectId, manifestUrl: stagedUrl as string, onExisting, idempotencyKey: newKey() },
      })
      setJobId(accepted(begun).job?.id)
    } catch (error) {
      if ((error as Error).name !== 'AbortError') setProblem(messageOf(error))
    } finally {
      setSentBytes(undefined)
    }
  }

  if (jobId) {
    return (
      <div className={styles.screen}>
        <h1>Importing {chosen?.name}</h1>
        <ImportProgressView
          jobId={jobId}
          onSettled={() => queryClient.invalidateQueries()}
          onAgain={() => {
            setJobId(undefined)
            setChosen(undefined)
          }}
        />
      </div>
    )
  }
  return (
    <div className={styles.screen}>
      <h1>Import images</h1>
      <section aria-labelledby="step-1">
        <h2 id="step-1">1. What do you have?</h2>
        <ul className={styles.kinds}>
          {KINDS.map(([kind, title, says, accept]) => (
            <li key={kind}>
              <label className={`card ${styles.kind} ${chosen?.kind === kind ? styles.chosen : ''}`}>
                <strong>{title}</strong>
                <span className="soft small">{says}</span>
                <input
                  type="file"
                  aria-label={title}
                  accept={accept}
                  disabled={sentBytes !== undefined}
                  {...(kind === 'folder' && { webkitdirectory: '', multiple: true })}
                  onChange={(event) => onChoose(kind, event)}
                />
              </label>
            </li>
          ))}
        </ul>
      </section>
      {problem && <Banner tone="bad">{problem}</Banner>}
      {chosen && (
        <>
          <Banner tone="note">
            <strong>{chosen.name}</strong>: {chosen.files.length.toLocaleString()}{' '}
            {chosen.files.length === 1 ? 'file' : 'files'}, {megabytes(chosen.byteSize)}
            {chosen.folders.length > 0 &&
              `; ${chosen.folders.length.toLocaleString()} labels: ${chosen.folders.slice(0, 5).join(', ')}${chosen.folders.length > 5 ? ' …' : ''}`}
          </Banner>
          <fieldset className={styles.conflicts}>
            <legend>
              <h2>2. Keys that are there already</h2>
            </legend>
            {CONFLICTS.map(([value, title, says]) => (
              <label key={value} className={styles.conflict}>
                <input
                  type="radio"
                  name="on-existing"
                  checked={onExisting === value}
                  onChange={() => setOnExisting(value)}
                />
                <span>
                  <strong>{title}</strong> <span className="soft">{says}</span>
                </span>
              </label>
            ))}
          </fieldset>
          <section className="stack" aria-labelledby="step-3">
            <h2 id="step-3">3. Go</h2>
            {sentBytes === undefined ? (
              <div className="row">
                <button type="button" className="primary" onClick={onStart}>
                  Import
                </button>
                <span className="soft">
                  Labels become confirmed identities. Images without an embedding get one from the project’s embedder.
                </span>
              </div>
            ) : (
              <div className={styles.upload} role="status">
                <progress max={total || 1} value={total ? sentBytes : undefined} aria-label="Uploading" />
                <span className="number">
                  {total ? `${megabytes(sentBytes)} of ${megabytes(total)} sent` : 'Packing the folder'}
                </span>
                <button type="button" onClick={() => stopper.current?.abort()}>
                  Stop
                </button>
              </div>
            )}
          </section>
        </>
      )}
      <p className="soft small">
        Large sets: put the files in a folder of the server or a bucket and start the import through the API. See{' '}
        <Link href="/runs">the runs</Link> for what comes next.
      </p>
    </div>
  )
}
