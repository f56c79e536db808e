import type { IncomingMessage } from 'node:http'

/**
 * Where a request comes from: the far end of its connection, or, behind `proxyHops` proxies of ours, what the outermost of
 * them saw. Further entries of X-Forwarded-For are whatever the client says, and are not believed.
 */
export function clientAddress(
  { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>,
  proxyHops: number,
): string {
  const said = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
  const seen = [...said, socket.remoteAddress ?? 'unknown']
  return seen[Math.max(0, seen.length - 1 - proxyHops)] as string
}
