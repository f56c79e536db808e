import { v7 } from 'uuid'

/** A new time-ordered row id (UUIDv7). */
export const newId = (): string => v7()

/** A row of a project: every lookup names the project first. */
export interface Ref {
  readonly projectId: string
  readonly id: string
}

/** A numbered row of a run: a cluster or a vertex. */
export interface RunRef {
  readonly projectId: string
  readonly runId: string
  readonly index: number
}
