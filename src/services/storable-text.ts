/** Postgres keeps neither the character NUL nor half a surrogate pair. */
const BROKEN = /\0|\p{Surrogate}/u
const EVERY_BROKEN = new RegExp(BROKEN, 'gu')

/** Whether a database column could hold a text. */
export const isStorable = (text: string): boolean => !BROKEN.test(text)

/** The text with the replacement character for what no column could hold. */
export const toStorable = (text: string): string => text.replace(EVERY_BROKEN, '\ufffd')
