import { type PointerEvent, type RefObject, useRef, useState } from 'react'

/** A rectangle in pixels of the scrolled content. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** Less is a click with a trembling hand. */
const LEAST_DRAG = 6
/** So close to an edge the content scrolls along. */
const EDGE = 32

/** Drawing a box with the mouse over scrolled content: `onBox` hears each change, whether Ctrl or Shift is held, and which is the first. */
export function useBoxSelect(
  scroller: RefObject<HTMLElement | null>,
  onBox: ((box: Box, isAdding: boolean, isFirst: boolean) => void) | undefined,
) {
  const [box, setBox] = useState<Box>()
  const start = useRef<{ x: number; y: number; isDragging: boolean }>(undefined)

  function pointOf({ clientX, clientY }: PointerEvent) {
    const element = scroller.current as HTMLElement
    const { left, top } = element.getBoundingClientRect()
    return { x: clientX - left + element.scrollLeft, y: clientY - top + element.scrollTop }
  }

  function onPointerDown(event: PointerEvent) {
    if (onBox && event.button === 0 && event.pointerType === 'mouse') {
      start.current = { ...pointOf(event), isDragging: false }
    }
  }

  function onPointerMove(event: PointerEvent) {
    const from = start.current
    const element = scroller.current
    if (!from || !element || !onBox) return
    const { x, y } = pointOf(event)
    if (!from.isDragging && Math.hypot(x - from.x, y - from.y) < LEAST_DRAG) return
    const isFirst = !from.isDragging
    if (isFirst) {
      from.isDragging = true
      element.setPointerCapture(event.pointerId)
    }
    const { top, bottom } = element.getBoundingClientRect()
    if (event.clientY < top + EDGE) element.scrollTop -= EDGE / 2
    else if (event.clientY > bottom - EDGE) element.scrollTop += EDGE / 2
    const next = {
      left: Math.min(x, from.x),
      top: Math.min(y, from.y),
      right: Math.max(x, from.x),
      bottom: Math.max(y, from.y),
    }
    setBox(next)
    onBox(next, event.ctrlKey || event.metaKey || event.shiftKey, isFirst)
  }

  function end() {
    if (start.current?.isDragging) {
      // The click that ends a drag chooses nothing; it comes within this task, if at all.
      const swallow = (click: Event) => click.stopPropagation()
      window.addEventListener('click', swallow, { capture: true, once: true })
      setTimeout(() => window.removeEventListener('click', swallow, { capture: true }))
    }
    start.current = undefined
    setBox(undefined)
  }

  return { box, handlers: { onPointerDown, onPointerMove, onPointerUp: end, onPointerCancel: end } }
}
