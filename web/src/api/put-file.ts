import { ConnectionError, RefusedError } from './errors.ts'
import { localMedia } from './media.ts'

/** Puts a file on its signed address. `fetch` tells nothing of how far an upload is, so this is the older way. */
export function putFile(
  url: string,
  content: Blob,
  { signal, onProgress }: { signal: AbortSignal; onProgress?(sentBytes: number): void },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('PUT', localMedia(url))
    request.upload.onprogress = ({ loaded }) => onProgress?.(loaded)
    request.onload = () =>
      request.status < 300
        ? resolve()
        : reject(new RefusedError(`The upload was refused: ${messageIn(request.responseText)}`, String(request.status)))
    request.onerror = () => reject(new ConnectionError('the upload broke off'))
    request.onabort = () => reject(new DOMException('stopped', 'AbortError'))
    signal.addEventListener('abort', () => request.abort(), { once: true })
    request.send(content)
  })
}

function messageIn(body: string): string {
  try {
    return JSON.parse(body).errors[0].message
  } catch {
    return body.slice(0, 200) || 'no reason given'
  }
}
