import type { DecisionKind } from '../../generated/operations.ts'

interface PastDecision {
  kind: DecisionKind
  itemCount: number
  decidedAt: string
  actor: { displayName: string } | null
}

const images = (count: number) => (count === 1 ? '1 image' : `${count.toLocaleString()} images`)

const DEEDS: Record<DecisionKind, (count: number) => string> = {
  MERGE: (count) => `merged ${images(count)} in`,
  SPLIT: (count) => `split off ${images(count)}`,
  MOVE: (count) => `moved ${images(count)}`,
  CONFIRM: () => 'confirmed it',
  EXCLUDE: (count) => `excluded ${images(count)}`,
  RENAME: () => 'named it',
  LOCK: () => 'locked it',
  REVERT: (count) => `took a decision on ${images(count)} back`,
}

/** "Ada split off 3 images". */
export const deedOf = ({ kind, itemCount, actor }: PastDecision): string =>
  `${actor?.displayName ?? 'Somebody'} ${DEEDS[kind](itemCount)}`

const UNITS: [Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** "2 minutes ago". */
export function ago(time: string, now = Date.now()): string {
  const seconds = (now - Date.parse(time)) / 1000
  for (const [unit, size] of UNITS) if (seconds >= size) return relative.format(-Math.floor(seconds / size), unit)
  return 'just now'
}
