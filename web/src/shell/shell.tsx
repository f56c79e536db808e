import { type ReactNode, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { signOut } from '../api/client.ts'
import { ProjectContext, useViewer } from './project-context.ts'
import styles from './shell.module.css'
import { applyTheme, storedTheme, type Theme } from './theme.ts'

const SCREENS: [path: string, label: string][] = [
  ['/queue', 'Queue'],
  ['/low-confidence', 'Low confidence'],
  ['/identities', 'Identities'],
  ['/find', 'Find'],
  ['/runs', 'Runs & quality'],
  ['/import', 'Import'],
]

/** Navigation, the project, the theme and the way out, around one screen. */
export function Shell({
  project,
  projects,
  children,
}: {
  project: { id: string; name: string }
  projects: readonly { id: string; name: string }[]
  children: ReactNode
}) {
  const [location, navigate] = useLocation()
  const viewer = useViewer()
  return (
    <ProjectContext value={project}>
      <div className={styles.shell}>
        <a className={styles.skip} href="#main">
          Skip to the content
        </a>
        <header className={styles.header}>
          <span className={styles.brand}>
            <img src={`${import.meta.env.BASE_URL}icon.svg`} width={24} height={24} alt="" />
            <span className={styles.brandName}>Tributary</span>
          </span>
          <nav className={styles.nav} aria-label="Screens">
            {SCREENS.map(([path, label]) => (
              <Link
                key={path}
                href={path}
                className={styles.tab}
                aria-current={location === path || location.startsWith(`${path}/`) ? 'page' : undefined}
              >
                {label}
              </Link>
            ))}
          </nav>
          <div className={styles.account}>
            {projects.length > 1 ? (
              <select
                aria-label="Project"
                className={styles.project}
                value={project.id}
                onChange={(event) => navigate(`~/review/${event.target.value}/queue`)}
              >
                {projects.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </select>
            ) : (
              <span className={styles.project} title={project.name}>
                {project.name}
              </span>
            )}
            <ThemeChoice />
            <button
              type="button"
              className="quiet"
              onClick={() => signOut()}
              title={`Signed in as ${viewer.displayName}`}
            >
              Sign out
            </button>
          </div>
        </header>
        <main id="main" className={styles.main} tabIndex={-1}>
          {children}
        </main>
      </div>
    </ProjectContext>
  )
}

const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' }
const THEME_LABELS: Record<Theme, [sign: string, label: string]> = {
  auto: ['◐', 'Colours: as the system'],
  light: ['☀', 'Colours: light'],
  dark: ['☾', 'Colours: dark'],
}

function ThemeChoice() {
  const [theme, setTheme] = useState(storedTheme)
  const [sign, label] = THEME_LABELS[theme]
  return (
    <button
      type="button"
      className="quiet"
      aria-label={label}
      title={label}
      onClick={() => {
        applyTheme(NEXT[theme])
        setTheme(NEXT[theme])
      }}
    >
      <span aria-hidden="true">{sign}</span>
    </button>
  )
}
