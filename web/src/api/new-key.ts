/** A fresh idempotency key. Outside of HTTPS and localhost browsers have no randomUUID. */
export const newKey = (): string =>
  crypto.randomUUID?.() ??
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
