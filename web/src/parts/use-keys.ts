import { useEffect, useRef } from 'react'

/** Keys of a screen: names as in KeyboardEvent.key, letters in lower case. */
export type KeyMap = Readonly<Record<string, (event: KeyboardEvent) => void>>

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** Single keys act while nobody types and no dialog is open; with Ctrl, Alt or Meta they are the browser's. */
export function useKeys(keys: KeyMap, isActive = true): void {
  const current = useRef(keys)
  current.current = keys
  useEffect(() => {
    if (!isActive) return
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
      if (isTyping(event.target) || document.querySelector('dialog[open]')) return
      const act = current.current[event.key.length === 1 ? event.key.toLowerCase() : event.key]
      // Holding a key down must not answer ten questions.
      if (!act || (event.repeat && event.key.length === 1)) return
      event.preventDefault()
      act(event)
    }
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [isActive])
}
