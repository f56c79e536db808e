import { type FormEvent, useMemo, useState } from 'react'
import type { ResultOf } from '../../api/typed-document.ts'
import { useApi } from '../../api/use-api.ts'
import { useCommand } from '../../api/use-command.ts'
import { Calibrate, Quality } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { Plot } from '../../parts/plot.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { useProject } from '../../shell/project-context.ts'
import { percent } from './run-words.ts'
import styles from './runs.module.css'

type Project = NonNullable<ResultOf<typeof Quality>['project']>
type Interval = NonNullable<Project['annotatorStats'][number]['agreement']>

/** How good the identities are by now, whether to go on, and which links may be accepted unseen. */
export function QualityTab() {
  const { id: projectId } = useProject()
  const quality = useApi(Quality, { projectId })
  if (quality.isPending) return <Loading label="Measuring" />
  if (quality.isError) return <Failure error={quality.error} onRetry={() => quality.refetch()} />
  const { project } = quality.data
  if (!project) return null
  const { stopSuggestion, effortCurve, annotatorStats, calibration } = project
  return (
    <>
      <Banner tone={stopSuggestion.isSuggested ? 'good' : 'note'}>
        <strong>{stopSuggestion.isSuggested ? 'You may stop.' : 'Going on pays.'}</strong> {stopSuggestion.reason}
      </Banner>
      <section className="card" aria-labelledby="effort">
        <h2 id="effort">Quality by effort</h2>
        {effortCurve.length === 0 ? (
          <Empty title="No audit answers yet">
            A small share of the questions is drawn by chance. Their answers alone say how good the identities are.
          </Empty>
        ) : (
          <EffortPlot points={effortCurve} />
        )}
      </section>
      <CalibrationCard calibration={calibration} />
      <section className="card" aria-labelledby="annotators">
        <h2 id="annotators">Annotators</h2>
        {annotatorStats.length === 0 ? (
          <Empty title="Nobody has answered yet" />
        ) : (
          <div className={styles.scroll}>
            <table>
              <thead>
                <tr>
                  <th>Who</th>
                  <th>Answers</th>
                  <th>Median seconds</th>
                  <th>Right on hidden gold questions</th>
                  <th>Agreement with others</th>
                </tr>
              </thead>
              <tbody>
                {annotatorStats.map(({ user, answers, medianDurationMs, goldAccuracy, agreement }) => (
                  <tr key={user.id}>
                    <td>{user.displayName}</td>
                    <td className="number">{answers.toLocaleString()}</td>
                    <td className="number">{(medianDurationMs / 1000).toFixed(1)}</td>
                    <td className="number">{intervalWords(goldAccuracy)}</td>
                    <td className="number">{intervalWords(agreement)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  )
}

const intervalWords = (estimate: Interval | null): string =>
  estimate ? `${percent(estimate.value)} (${percent(estimate.low)} to ${percent(estimate.high)})` : '–'

const RANGE: [number, number] = [0, 1]

function EffortPlot({ points }: { points: Project['effortCurve'] }) {
  const [x, series] = useMemo(() => {
    const line = (of: 'precision' | 'recall', part: 'value' | 'low' | 'high') => points.map((point) => point[of][part])
    return [
      points.map(({ answers }) => answers),
      [
        {
          label: 'Pairwise precision',
          values: line('precision', 'value'),
          low: line('precision', 'low'),
          high: line('precision', 'high'),
          colour: '--accent',
        },
        {
          label: 'Pairwise recall',
          values: line('recall', 'value'),
          low: line('recall', 'low'),
          high: line('recall', 'high'),
          colour: '--focus',
          dash: '6 4',
        },
      ],
    ] as const
  }, [points])
  return (
    <Plot
      title="Estimated from audit answers, with 95 % intervals"
      xLabel="Answers"
      x={x}
      series={series}
      range={RANGE}
      format={percent}
    />
  )
}

/** The link probability above which links may be accepted without a look, with a guarantee. */
function CalibrationCard({ calibration }: { calibration: Project['calibration'] }) {
  const { id: projectId } = useProject()
  const calibrate = useCommand(Calibrate, Quality)
  const [target, setTarget] = useState('99')
  const [chance, setChance] = useState('5')

  function submit(event: FormEvent) {
    event.preventDefault()
    calibrate.run({ projectId, targetPrecision: Number(target) / 100, delta: Number(chance) / 100 })
  }

  return (
    <section className="card stack" aria-labelledby="calibration">
      <h2 id="calibration">Accepting links unseen</h2>
      {calibration &&
        (calibration.threshold === null ? (
          <Banner tone="warn">
            A precision of {percent(calibration.targetPrecision)} can not be promised yet from {calibration.labelsUsed}{' '}
            audit answers.
            {calibration.labelsNeeded !== null && ` About ${calibration.labelsNeeded.toLocaleString()} more would do.`}
          </Banner>
        ) : (
          <Banner tone="good">
            Links of a probability of {calibration.threshold.toFixed(3)} or more are right{' '}
            {percent(calibration.targetPrecision)} of the time, up to a chance of {percent(calibration.delta)} that this
            is wrong. That is {percent(calibration.autoAcceptedShare)} of all links, from {calibration.labelsUsed} audit
            answers.
          </Banner>
        ))}
      <form className={styles.form} onSubmit={submit}>
        <label className={styles.field}>
          Precision wanted, %
          <input
            type="number"
            min={50}
            max={99.99}
            step="any"
            required
            value={target}
            onChange={(event) => setTarget(event.target.value)}
          />
        </label>
        <label className={styles.field}>
          Chance of missing it, %
          <input
            type="number"
            min={0.1}
            max={50}
            step="any"
            required
            value={chance}
            onChange={(event) => setChance(event.target.value)}
          />
        </label>
        <button type="submit" disabled={calibrate.isPending}>
          {calibrate.isPending ? 'Calibrating …' : 'Calibrate'}
        </button>
      </form>
      {calibrate.problem && <Banner tone="bad">{calibrate.problem}</Banner>}
    </section>
  )
}
