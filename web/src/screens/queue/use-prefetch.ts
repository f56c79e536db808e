import { useEffect, useRef } from 'react'
import { localMedia } from '../../api/media.ts'
import type { QueueTask } from './queue-api.ts'

/** Questions whose pictures are wanted soon; those of the others in hand follow, so that a lost network loses none. */
const SOON = 3

/** Loads the pictures of the questions in hand, each once, so that none is waited for. */
export function usePrefetch(held: readonly QueueTask[]): void {
  const images = useRef(new Map<string, HTMLImageElement>())
  useEffect(() => {
    const wanted = new Map<string, HTMLImageElement>()
    for (const [ahead, { panels }] of held.entries()) {
      for (const { items } of panels) {
        for (const [i, { small, large }] of items.entries()) {
          const src = localMedia(i === 0 ? large : small)
          const image = images.current.get(src) ?? new Image()
          if (!image.src) {
            image.decoding = 'async'
            image.fetchPriority = ahead <= SOON ? 'auto' : 'low'
            image.src = src
          }
          wanted.set(src, image)
        }
      }
    }
    // Pictures of answered questions are let go.
    images.current = wanted
  }, [held])
}
