import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Config } from '../config.ts'
import { DomainError } from '../services/errors.ts'
import type { RateLimits } from '../services/rate-limits-port.ts'

const WINDOW_SECONDS = 60

const secondsUntilReset = ({ msBeforeNext }: RateLimiterRes) => Math.max(1, Math.ceil(msBeforeNext / 1_000))

/** Counts in memory: each process counts for itself, which needs no server and costs no statement. */
export function createRateLimits({
  requestsPerMinute,
  signInFailuresPerMinute,
}: Pick<Config, 'requestsPerMinute' | 'signInFailuresPerMinute'>): RateLimits {
  const requests = new RateLimiterMemory({ points: requestsPerMinute, duration: WINDOW_SECONDS })
  const failures = new RateLimiterMemory({ points: signInFailuresPerMinute, duration: WINDOW_SECONDS })
  const refuse = (what: string, state: RateLimiterRes) => {
    const retryAfterSeconds = secondsUntilReset(state)
    return new DomainError('RATE_LIMITED', `${what}: try again in ${retryAfterSeconds} s`, { retryAfterSeconds })
  }
  return {
    async takeRequest(credentialId) {
      if (requestsPerMinute === 0) return
      try {
        await requests.consume(credentialId)
      } catch (state) {
        if (!(state instanceof RateLimiterRes)) throw state
        throw refuse(`more than ${requestsPerMinute} requests a minute with this key`, state)
      }
    },
    async checkAddress(address) {
      if (signInFailuresPerMinute === 0) return
      const state = await failures.get(address)
      if (state && state.consumedPoints >= signInFailuresPerMinute) {
        throw refuse('too many refused sign-ins from this address', state)
      }
    },
    async countFailure(address) {
      if (signInFailuresPerMinute === 0) return
      await failures.penalty(address)
    },
  }
}
