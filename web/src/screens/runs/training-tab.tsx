import { type FormEvent, useMemo, useState } from 'react'
import type { ResultOf } from '../../api/typed-document.ts'
import { useApi } from '../../api/use-api.ts'
import { useCommand } from '../../api/use-command.ts'
import {
  ActivateModel,
  type ModelState,
  StartTraining,
  Trainings,
  type TrainingTarget,
} from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { JobProgress } from '../../parts/job-progress.tsx'
import { Plot } from '../../parts/plot.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { isSettled } from '../../parts/use-job.ts'
import { useProject } from '../../shell/project-context.ts'
import { percent } from './run-words.ts'
import styles from './runs.module.css'

type Project = NonNullable<ResultOf<typeof Trainings>['project']>
type Training = Project['trainingRuns']['edges'][number]['node']

const MODEL_STATES: Record<ModelState, string> = {
  CANDIDATE: 'Not measured: too few identities are held out',
  EVALUATED: 'Measured, may be activated',
  ACTIVE: 'Active',
  ARCHIVED: 'Used before',
  REJECTED: 'Rejected: worse than the active one',
}

const TARGETS: Record<TrainingTarget, string> = {
  CLUSTERING: 'How to cluster',
  EMBEDDING: 'How to embed images',
}

/** Trainings and the models they made; a model is used once somebody activates it. */
export function TrainingTab() {
  const { id: projectId } = useProject()
  const trainings = useApi(
    Trainings,
    { projectId },
    {
      refetchInterval: ({ state }) =>
        state.data?.project?.trainingRuns.edges.some(({ node }) => !isSettled(node.job)) ? 1_500 : false,
    },
  )
  if (trainings.isPending) return <Loading label="Looking for trainings" />
  if (trainings.isError) return <Failure error={trainings.error} onRetry={() => trainings.refetch()} />
  const { project } = trainings.data
  if (!project) return null
  const list = project.trainingRuns.edges.map(({ node }) => node)
  return (
    <>
      <StartTrainingForm project={project} />
      {list.length === 0 ? (
        <Empty title="Nothing has been trained yet">
          A training learns from a snapshot of confirmed identities. Without one, runs take a method that needs no
          labels.
        </Empty>
      ) : (
        <ul className={styles.list}>
          {list.map((training) => (
            <li key={training.id} className="card stack">
              <TrainingCard training={training} />
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function StartTrainingForm({ project }: { project: Project }) {
  const frozen = project.datasetVersions.edges.map(({ node }) => node).filter(({ job }) => job.state === 'SUCCEEDED')
  const start = useCommand(StartTraining, Trainings)
  const [chosenId, setChosenId] = useState<string>()
  const [target, setTarget] = useState<TrainingTarget>('CLUSTERING')
  const datasetVersionId = chosenId ?? frozen[0]?.id
  if (!datasetVersionId) {
    return <Banner tone="note">Make a snapshot under “Snapshots &amp; exports” first: trainings learn from one.</Banner>
  }
  function submit(event: FormEvent) {
    event.preventDefault()
    start.run({ datasetVersionId: datasetVersionId as string, target })
  }
  return (
    <form className={`card ${styles.form}`} onSubmit={submit}>
      <label className={styles.field}>
        Learn from
        <select value={datasetVersionId} onChange={(event) => setChosenId(event.target.value)}>
          {frozen.map(({ id, tag, itemCount }) => (
            <option key={id} value={id}>
              {tag} ({itemCount.toLocaleString()} images)
            </option>
          ))}
        </select>
      </label>
      <label className={styles.field}>
        Learn
        <select value={target} onChange={(event) => setTarget(event.target.value as TrainingTarget)}>
          {Object.entries(TARGETS).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" className="primary" disabled={start.isPending}>
        Train
      </button>
      {start.problem && <Banner tone="bad">{start.problem}</Banner>}
    </form>
  )
}

function TrainingCard({ training }: { training: Training }) {
  const { target, datasetVersion, job, model, lossCurve } = training
  const activate = useCommand(ActivateModel, Trainings)

  return (
    <>
      <div className={styles.title}>
        <h2>
          {model ? `Model ${model.number}` : 'Training'} <span className="soft">· {TARGETS[target]}</span>
        </h2>
        {model && <span className={styles.state}>{MODEL_STATES[model.state]}</span>}
      </div>
      <p className="soft">
        From snapshot {datasetVersion.tag}
        {model?.pairwiseF &&
          ` · pairwise F ${percent(model.pairwiseF.value)} (${percent(model.pairwiseF.low)} to ${percent(model.pairwiseF.high)}) on ${model.pairwiseF.sampleSize.toLocaleString()} held out`}
        {model?.bcubedF && ` · BCubed F ${percent(model.bcubedF.value)}`}
      </p>
      {(!isSettled(job) || job.failure) && <JobProgress job={job} label="Training" />}
      {lossCurve.length > 1 && <LossPlot points={lossCurve} />}
      {(model?.state === 'EVALUATED' || model?.state === 'ARCHIVED') && (
        <div className="row">
          <button
            type="button"
            disabled={activate.isPending}
            onClick={() => activate.run({ modelVersionId: model.id })}
          >
            {model.state === 'ARCHIVED' ? 'Go back to this model' : 'Activate'}
          </button>
        </div>
      )}
      {activate.problem && <Banner tone="bad">{activate.problem}</Banner>}
    </>
  )
}

const four = (value: number) => value.toPrecision(3)

function LossPlot({ points }: { points: Training['lossCurve'] }) {
  const [x, series] = useMemo(() => {
    const held = points.map(({ heldOutLoss }) => heldOutLoss)
    return [
      points.map(({ step }) => step),
      [
        { label: 'Training loss', values: points.map(({ loss }) => loss), colour: '--accent' },
        ...(held.some((value) => value !== null)
          ? [{ label: 'On held-out identities', values: held, colour: '--focus', dash: '6 4' }]
          : []),
      ],
    ] as const
  }, [points])
  return (
    <details>
      <summary>Loss curve</summary>
      <Plot title="Loss by step" xLabel="Step" x={x} series={series} format={four} />
    </details>
  )
}
