import type { IdentityState, MembershipSource } from '../../generated/operations.ts'

export const STATE_WORDS: Record<IdentityState, string> = {
  PROPOSED: 'Proposed',
  CONFIRMED: 'Confirmed',
  LOCKED: 'Locked',
  MERGED: 'Merged away',
  DISSOLVED: 'Dissolved',
}

/** Where a membership came from: a sign for the badge, and what it says. */
export const SOURCE_WORDS: Record<MembershipSource, [sign: string, says: string]> = {
  HUMAN: ['person', 'A person put it here'],
  IMPLIED: ['implied', 'Follows from what people said'],
  MODEL: ['model', 'A run proposed it'],
}

export const nameOf = (identity: { name: string | null }): string => identity.name ?? 'Unnamed identity'

export const wrongPairs = (risk: number): string =>
  risk < 0.05
    ? 'no expected errors'
    : `${risk < 10 ? risk.toFixed(1) : Math.round(risk).toLocaleString()} expected errors`
