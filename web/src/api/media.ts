/**
 * The path of a signed address on the server that serves this page: right too when people reach it under another name than
 * PUBLIC_URL says, and all that the content security policy allows.
 */
export function localMedia(url: string): string {
  const { pathname, search } = new URL(url, location.href)
  return /^\/(media|upload)\//.test(pathname) ? pathname + search : url
}
