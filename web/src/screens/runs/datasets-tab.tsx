import { type FormEvent, useState } from 'react'
import { localMedia } from '../../api/media.ts'
import type { ResultOf } from '../../api/typed-document.ts'
import { useApi } from '../../api/use-api.ts'
import { useCommand } from '../../api/use-command.ts'
import {
  CreateExport,
  CreateSnapshot,
  type ExportFormat,
  type IdentityState,
  Snapshots,
} from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { JobProgress } from '../../parts/job-progress.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { isSettled } from '../../parts/use-job.ts'
import { useProject } from '../../shell/project-context.ts'
import { STATE_WORDS } from '../identity/identity-words.ts'
import styles from './runs.module.css'

type Snapshot = NonNullable<ResultOf<typeof Snapshots>['project']>['datasetVersions']['edges'][number]['node']

const FORMATS: Record<ExportFormat, string> = {
  JSONL: 'JSON lines',
  CSV: 'CSV',
  PARQUET: 'Parquet',
  IMAGE_FOLDER: 'Image folders',
  COCO: 'COCO',
  LEARN_TO_CLUSTER: 'learn-to-cluster',
  FIFTYONE: 'FiftyOne',
}
const STATES: IdentityState[] = ['CONFIRMED', 'LOCKED', 'PROPOSED']

/** Frozen snapshots of the data, and the files made from them. */
export function DatasetsTab() {
  const { id: projectId } = useProject()
  const snapshots = useApi(
    Snapshots,
    { projectId },
    {
      refetchInterval: ({ state }) =>
        state.data?.project?.datasetVersions.edges.some(
          ({ node }) => !isSettled(node.job) || node.exports.some(({ job }) => !isSettled(job)),
        )
          ? 1_500
          : false,
    },
  )
  const list = snapshots.data?.project?.datasetVersions.edges.map(({ node }) => node)
  return (
    <>
      <SnapshotForm />
      {snapshots.isPending ? (
        <Loading label="Looking for snapshots" />
      ) : !list ? (
        <Failure error={snapshots.error} onRetry={() => snapshots.refetch()} />
      ) : list.length === 0 ? (
        <Empty title="No snapshot yet">
          A snapshot freezes items and identities as they are now; later decisions do not change it.
        </Empty>
      ) : (
        <ul className={styles.list}>
          {list.map((snapshot) => (
            <li key={snapshot.id} className="card stack">
              <SnapshotCard snapshot={snapshot} />
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function SnapshotForm() {
  const { id: projectId } = useProject()
  const create = useCommand(CreateSnapshot, Snapshots)
  const [states, setStates] = useState<ReadonlySet<IdentityState>>(new Set(['CONFIRMED', 'LOCKED']))

  function toggle(state: IdentityState) {
    const next = new Set(states)
    if (!next.delete(state)) next.add(state)
    setStates(next)
  }

  function submit(event: FormEvent) {
    event.preventDefault()
    create.run({ projectId, identityStates: [...states] })
  }

  return (
    <form className={`card ${styles.form}`} onSubmit={submit}>
      <fieldset className={styles.form}>
        <legend>Identities in it</legend>
        {STATES.map((state) => (
          <label key={state} className={styles.check}>
            <input type="checkbox" checked={states.has(state)} onChange={() => toggle(state)} />
            {STATE_WORDS[state]}
          </label>
        ))}
      </fieldset>
      <button type="submit" className="primary" disabled={states.size === 0 || create.isPending}>
        Make a snapshot
      </button>
      {create.problem && <Banner tone="bad">{create.problem}</Banner>}
    </form>
  )
}

function SnapshotCard({ snapshot }: { snapshot: Snapshot }) {
  const { id, tag, itemCount, ledgerRevision, contentHash, job, exports } = snapshot
  const create = useCommand(CreateExport, Snapshots)
  const [format, setFormat] = useState<ExportFormat>('JSONL')
  const [hasEmbeddings, setHasEmbeddings] = useState(false)

  function submit(event: FormEvent) {
    event.preventDefault()
    create.run({ datasetVersionId: id, format, includeEmbeddings: hasEmbeddings })
  }

  return (
    <>
      <div className={styles.title}>
        <h2>{tag}</h2>
        <span className="soft">
          {itemCount.toLocaleString()} images · after {ledgerRevision.toLocaleString()} decisions
          {contentHash && (
            <>
              {' '}
              · <abbr title={`SHA-256 of its content: ${contentHash}`}>{contentHash.slice(0, 12)}</abbr>
            </>
          )}
        </span>
      </div>
      {job.state === 'SUCCEEDED' ? (
        <form className={styles.form} onSubmit={submit}>
          <label className={styles.field}>
            Export as
            <select value={format} onChange={(event) => setFormat(event.target.value as ExportFormat)}>
              {Object.entries(FORMATS).map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          <label className={styles.check}>
            <input
              type="checkbox"
              checked={hasEmbeddings}
              onChange={(event) => setHasEmbeddings(event.target.checked)}
            />
            With embeddings
          </label>
          <button type="submit" disabled={create.isPending}>
            Export
          </button>
        </form>
      ) : (
        <JobProgress job={job} label="Freezing" />
      )}
      {create.problem && <Banner tone="bad">{create.problem}</Banner>}
      {exports.map((made) => (
        <section key={made.id} aria-label={FORMATS[made.format]}>
          {made.job.state === 'SUCCEEDED' ? (
            <ul>
              {made.files.map(({ name, url, byteSize, sha256 }) => (
                <li key={name} className="row">
                  <span>{FORMATS[made.format]}</span>
                  <a className={styles.link} href={localMedia(url)} download={name}>
                    {name}
                  </a>
                  <span className="soft number">{(byteSize / 1e6).toFixed(1)} MB</span>
                  <abbr className="soft" title={`SHA-256 ${sha256}`}>
                    {sha256.slice(0, 8)}
                  </abbr>
                </li>
              ))}
            </ul>
          ) : (
            <JobProgress job={made.job} label={FORMATS[made.format]} />
          )}
        </section>
      ))}
    </>
  )
}
