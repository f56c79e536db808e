import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import type { OidcOptions } from '../config.ts'
import { DomainError } from '../services/errors.ts'
import type { IdentityProvider } from '../services/identity-provider-port.ts'

/** Signatures by a key pair only: with a shared secret, whoever verifies could also sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const CLOCK_TOLERANCE_SECONDS = 5
const TIMEOUT_MS = 5_000

type KeySet = ReturnType<typeof createRemoteJWKSet>

const refused = (reason: string) => new DomainError('UNAUTHENTICATED', `this bearer token is not taken: ${reason}`)

/** The reason in words of ours; undefined for what is no fault of the token. */
function reasonOf(error: unknown, { issuer, audience }: OidcOptions): string | undefined {
  if (error instanceof errors.JWTExpired) return 'it has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud') return `its audience must be ${audience}`
    if (error.claim === 'iss') return `its issuer must be ${issuer}`
    return `its claim ${error.claim} is missing or wrong`
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is wrong'
  if (error instanceof errors.JWKSNoMatchingKey) return 'the issuer has no key that signed it'
  if (error instanceof errors.JOSEAlgNotAllowed) return `it must be signed with one of ${ALGORITHMS.join(', ')}`
  if (error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid) return 'it is no JWT'
  return undefined
}

function nameOf(payload: JWTPayload): string {
  for (const claim of ['name', 'preferred_username', 'email'] as const) {
    const value = payload[claim]
    if (typeof value === 'string' && value.trim()) return value.trim().slice(0, 200)
  }
  return payload.sub as string
}

/**
 * Takes tokens of one issuer, made for one audience. The issuer's keys are fetched when first needed, kept, and fetched
 * again when a token names one that is not among them.
 */
export function createOidcProvider(options: OidcOptions): IdentityProvider {
  const { issuer, audience, jwksUrl } = options
  let keys: Promise<KeySet> | undefined

  async function discover(): Promise<KeySet> {
    if (jwksUrl) return createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: TIMEOUT_MS })
    const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!response.ok) throw new Error(`${address} answered ${response.status}`)
    const { jwks_uri: uri } = (await response.json()) as { jwks_uri?: unknown }
    if (typeof uri !== 'string' || !URL.canParse(uri)) throw new Error(`${address} names no jwks_uri`)
    return createRemoteJWKSet(new URL(uri), { timeoutDuration: TIMEOUT_MS })
  }

  return {
    async verify(token) {
      keys ??= discover().catch((error) => {
        keys = undefined
        throw error
      })
      try {
        const { payload } = await jwtVerify(token, await keys, {
          issuer,
          audience,
          algorithms: ALGORITHMS,
          requiredClaims: ['sub', 'exp'],
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
        })
        return { subject: `${issuer}|${payload.sub}`, displayName: nameOf(payload) }
      } catch (error) {
        const reason = reasonOf(error, options)
        throw reason ? refused(reason) : error
      }
    },
  }
}
