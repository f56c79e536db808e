/** Encrypts what must be read back, such as signing secrets, before it is kept in the database. */
export interface SecretBox {
  /** Why nothing can be sealed here, in words for whoever runs the server; undefined where it can. */
  readonly problem?: string
  /**
   * @param context what the secret belongs to: it opens there only.
   * @throws DomainError INVALID_STATE where there is no key.
   */
  seal(secret: string, context: string): string
  /** Also takes what was stored before there was a key, as it stands. @throws DomainError INVALID_STATE when no key opens it. */
  open(stored: string, context: string): string
  /** Beginning of all that is sealed with the key that seals now; undefined where there is none. */
  readonly currentPrefix?: string
}
