/** Who a bearer token of another issuer speaks for. */
export interface ForeignIdentity {
  /** `issuer|sub`: the same person for ever, whatever they are called. */
  readonly subject: string
  readonly displayName: string
}

/**
 * Verifies bearer tokens that an OpenID Connect issuer has signed.
 *
 * @throws DomainError UNAUTHENTICATED for a token that is not to be believed; any other Error where the issuer's keys can not
 * be had, which may pass.
 */
export interface IdentityProvider {
  verify(token: string): Promise<ForeignIdentity>
}
