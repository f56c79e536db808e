import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

/** Random bytes are drawn for this many ids at once: a draw costs ten times what an id does. */
const IDS_A_DRAW = 1024
const RANDOM_BYTES = 16

const random = new Uint8Array(IDS_A_DRAW * RANDOM_BYTES)
let next = random.length
let lastMs = 0
let sequence = 0

/** A new time-ordered row id (UUIDv7): one of this process is always above those before it. */
export function newId(): string {
  if (next === random.length) {
    randomFillSync(random)
    next = 0
  }
  const bytes = random.subarray(next, next + RANDOM_BYTES)
  next += RANDOM_BYTES
  const now = Date.now()
  // 32 bits count within a millisecond, from a random place in the lower half; a clock that goes back is not followed.
  if (now > lastMs) {
    lastMs = now
    sequence =
      (((bytes[6] as number) & 0x7f) << 24) |
      ((bytes[7] as number) << 16) |
      ((bytes[8] as number) << 8) |
      (bytes[9] as number)
  } else if (sequence === 0xffffffff) {
    lastMs++
    sequence = 0
  } else sequence++
  return v7({ random: bytes, msecs: lastMs, seq: sequence })
}

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
