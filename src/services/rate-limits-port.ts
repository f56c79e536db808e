/** Counts what is asked, within a minute and a process. Each throws DomainError RATE_LIMITED when there was too much. */
export interface RateLimits {
  /** Takes one request of a key or person. */
  takeRequest(credentialId: string): Promise<void>
  /** Before a sign-in is looked at: whether this address has failed too often. */
  checkAddress(address: string): Promise<void>
  /** After a refused sign-in. */
  countFailure(address: string): Promise<void>
}
