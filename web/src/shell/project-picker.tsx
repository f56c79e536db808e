import { Link } from 'wouter'
import { signOut } from '../api/client.ts'
import { Empty } from '../parts/states.tsx'
import styles from './project-picker.module.css'

/** The projects of whoever signed in. */
export function ProjectPicker({
  projects,
  isUnknown = false,
}: {
  projects: readonly { id: string; name: string }[]
  isUnknown?: boolean
}) {
  return (
    <main className={styles.page}>
      <h1>{isUnknown ? 'This project is not one of yours' : 'Which project?'}</h1>
      {projects.length === 0 ? (
        <Empty title="You are a member of no project yet">
          Ask somebody who administers one to add you, or make one through the API with createProject.
        </Empty>
      ) : (
        <ul className={styles.list}>
          {projects.map(({ id, name }) => (
            <li key={id}>
              <Link className={`button ${styles.project}`} href={`~/review/${id}/queue`}>
                {name}
              </Link>
            </li>
          ))}
        </ul>
      )}
      <button type="button" className="quiet" onClick={() => signOut()}>
        Sign out
      </button>
    </main>
  )
}
