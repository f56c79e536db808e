import { lazy, Suspense, useEffect, useState } from 'react'
import { Redirect, Route, Router, Switch } from 'wouter'
import { onSignedOut } from './api/client.ts'
import { RefusedError } from './api/errors.ts'
import { queryClient, useApi } from './api/use-api.ts'
import { Start } from './generated/operations.ts'
import { ScreenBoundary } from './parts/screen-boundary.tsx'
import { Failure, Loading } from './parts/states.tsx'
import { QueueScreen } from './screens/queue/queue-screen.tsx'
import { ViewerContext } from './shell/project-context.ts'
import { ProjectPicker } from './shell/project-picker.tsx'
import { Shell } from './shell/shell.tsx'
import { SignIn } from './shell/sign-in.tsx'

const LowConfidenceScreen = lazy(() => import('./screens/low-confidence/low-confidence-screen.tsx'))
const IdentitiesScreen = lazy(() => import('./screens/identity/identities-screen.tsx'))
const IdentityScreen = lazy(() => import('./screens/identity/identity-screen.tsx'))
const FindScreen = lazy(() => import('./screens/find/find-screen.tsx'))
const RunsScreen = lazy(() => import('./screens/runs/runs-screen.tsx'))
const ImportScreen = lazy(() => import('./screens/import/import-screen.tsx'))

/** Signed in or not; then which project; then which screen. */
export function App() {
  const [isSignedOut, setSignedOut] = useState(false)
  const start = useApi(Start, {}, { staleTime: Number.POSITIVE_INFINITY })
  useEffect(() => onSignedOut(() => setSignedOut(true)), [])

  if (isSignedOut) {
    return (
      <SignIn
        onSignedIn={async () => {
          // Whoever signs in now may see other things than whoever did before.
          await queryClient.resetQueries()
          setSignedOut(false)
        }}
      />
    )
  }
  if (start.isPending) return <Loading label="Opening the review page" />
  if (start.isError) {
    if (start.error instanceof RefusedError && start.error.code === 'UNAUTHENTICATED') return null
    return <Failure error={start.error} onRetry={() => start.refetch()} />
  }
  const { viewer, projects } = start.data
  const projectList = projects.edges.map(({ node }) => node)
  return (
    <ViewerContext value={viewer}>
      <Router base="/review">
        <Switch>
          <Route path="/">
            {projectList.length === 1 && projectList[0] ? (
              <Redirect to={`/${projectList[0].id}/queue`} replace />
            ) : (
              <ProjectPicker projects={projectList} />
            )}
          </Route>
          <Route path="/:projectId" nest>
            {({ projectId }) => {
              const project = projectList.find(({ id }) => id === projectId)
              if (!project) return <ProjectPicker projects={projectList} isUnknown />
              return (
                <Shell key={project.id} project={project} projects={projectList}>
                  <ScreenBoundary>
                    <Suspense fallback={<Loading label="Loading the screen" />}>
                      <Switch>
                        <Route path="/queue" component={QueueScreen} />
                        <Route path="/low-confidence" component={LowConfidenceScreen} />
                        <Route path="/identities" component={IdentitiesScreen} />
                        <Route path="/identities/:identityId">
                          {({ identityId }) => <IdentityScreen key={identityId} identityId={identityId} />}
                        </Route>
                        <Route path="/find" component={FindScreen} />
                        <Route path="/runs/*?" component={RunsScreen} />
                        <Route path="/import" component={ImportScreen} />
                        <Route>
                          <Redirect to="/queue" replace />
                        </Route>
                      </Switch>
                    </Suspense>
                  </ScreenBoundary>
                </Shell>
              )
            }}
          </Route>
        </Switch>
      </Router>
    </ViewerContext>
  )
}
