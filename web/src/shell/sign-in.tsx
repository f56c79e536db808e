import { type FormEvent, useState } from 'react'
import { signIn } from '../api/client.ts'
import { messageOf } from '../api/errors.ts'
import styles from './sign-in.module.css'

/** Asks for a key once; it goes into a cookie that no script can read. */
export function SignIn({ onSignedIn }: { onSignedIn(): Promise<void> }) {
  const [key, setKey] = useState('')
  const [problem, setProblem] = useState<string>()
  const [isBusy, setBusy] = useState(false)

  async function submit(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      await signIn(key.trim())
      await onSignedIn()
    } catch (error) {
      setProblem(messageOf(error))
      setBusy(false)
    }
  }

  return (
    <main className={styles.page}>
      <form className={styles.form} onSubmit={submit}>
        <img src={`${import.meta.env.BASE_URL}icon.svg`} width={44} height={44} alt="" />
        <h1>Sign in to review</h1>
        <label htmlFor="key">API key or bearer token</label>
        <input
          id="key"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          required
          // biome-ignore lint/a11y/noAutofocus: there is nothing else on this screen
          autoFocus
          value={key}
          aria-invalid={problem !== undefined}
          aria-describedby="key-note"
          onChange={(event) => setKey(event.target.value)}
        />
        <p id="key-note" className="soft small">
          Somebody who administers your project can make a key for you. It is kept in a cookie that no script can read,
          for twelve hours at most, and never in this page's storage.
        </p>
        {problem && (
          <p role="alert" className={styles.problem}>
            {problem}
          </p>
        )}
        <button type="submit" className="primary" disabled={isBusy || key.trim() === ''}>
          {isBusy ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
    </main>
  )
}
