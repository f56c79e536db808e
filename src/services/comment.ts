import { invalid } from './errors.ts'

const MAX_COMMENT = 1_000

/** Refuses comments that are longer than a note to others. */
export function checkComment(comment: string | null | undefined): void {
  if (comment && comment.length > MAX_COMMENT) {
    throw invalid(`comment must have at most ${MAX_COMMENT} characters: got ${comment.length}`, 'input', 'comment')
  }
}
