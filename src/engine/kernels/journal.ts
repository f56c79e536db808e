import { EngineError } from '../errors.ts'
import { fileSystem } from './node-host.ts'
import { writeWhole } from './raw-file.ts'

/** What a long computation remembers of itself in a folder, so that another process goes on where it was stopped. */
export interface Journal {
  /** Rows whose results are safely on disk. */
  readonly rowsDone: number
  readonly isComplete: boolean
  /** Call when everything it says is on disk. */
  write(rowsDone: number, isComplete?: boolean): Promise<void>
}

interface Entry {
  readonly identity: Record<string, unknown>
  readonly rowsDone: number
  readonly isComplete: boolean
}

const NAME = 'progress.json'

/**
 * Opens the journal of a folder, or begins one.
 *
 * @param identity everything that decides the result: a folder that holds the steps of another computation is refused
 * @throws EngineError BAD_OPTION naming what differs
 */
export async function openJournal(folder: string, identity: Record<string, unknown>): Promise<Journal> {
  await fileSystem().mkdir(folder, { recursive: true })
  const file = `${folder}/${NAME}`
  const text = await fileSystem()
    .readFile(file, 'utf8')
    .catch(() => undefined)
  let { rowsDone, isComplete }: Entry = text ? JSON.parse(text) : { rowsDone: 0, isComplete: false }
  if (text) checkIdentity(folder, identity, (JSON.parse(text) as Entry).identity)
  const journal = {
    get rowsDone() {
      return rowsDone
    },
    get isComplete() {
      return isComplete
    },
    async write(rows: number, complete = false) {
      const entry: Entry = { identity, rowsDone: rows, isComplete: complete }
      await writeWhole(file, (writer) => writer.write(new TextEncoder().encode(JSON.stringify(entry)), 0))
      rowsDone = rows
      isComplete = complete
    },
  }
  if (!text) await journal.write(0)
  return journal
}

function checkIdentity(folder: string, wanted: Record<string, unknown>, found: Record<string, unknown>): void {
  for (const key of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
    if (wanted[key] === found[key]) continue
    throw new EngineError(
      'BAD_OPTION',
      `${folder} must hold the steps of this computation: got ${key} ${found[key]}, expected ${wanted[key]}; ` +
        'name another folder, or empty this one to begin again',
    )
  }
}
