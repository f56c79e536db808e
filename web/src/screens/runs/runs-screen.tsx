import { Link, Route, Switch, useLocation } from 'wouter'
import { DatasetsTab } from './datasets-tab.tsx'
import { QualityTab } from './quality-tab.tsx'
import { RunDetailView } from './run-detail.tsx'
import styles from './runs.module.css'
import { RunsTab } from './runs-tab.tsx'
import { TrainingTab } from './training-tab.tsx'

const TABS: [path: string, label: string][] = [
  ['/runs', 'Runs'],
  ['/runs/quality', 'Quality'],
  ['/runs/training', 'Training & models'],
  ['/runs/datasets', 'Snapshots & exports'],
]

/** Everything that is computed: runs, how good they are, models, snapshots. */
export default function RunsScreen() {
  const [location] = useLocation()
  return (
    <div className={styles.screen}>
      {TABS.some(([path]) => path === location) && <h1 className="spoken">Runs and quality</h1>}
      <nav className={styles.tabs} aria-label="Runs and quality">
        {TABS.map(([path, label]) => (
          <Link key={path} className={styles.tab} href={path} aria-current={location === path ? 'page' : undefined}>
            {label}
          </Link>
        ))}
      </nav>
      <Switch>
        <Route path="/runs" component={RunsTab} />
        <Route path="/runs/quality" component={QualityTab} />
        <Route path="/runs/training" component={TrainingTab} />
        <Route path="/runs/datasets" component={DatasetsTab} />
        <Route path="/runs/:runId">{({ runId }) => <RunDetailView key={runId} runId={runId} />}</Route>
      </Switch>
    </div>
  )
}
