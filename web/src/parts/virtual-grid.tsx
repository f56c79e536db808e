import { useVirtualizer } from '@tanstack/react-virtual'
import {
  type KeyboardEvent,
  type MouseEvent,
  type ReactNode,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from 'react'
import { type Box, useBoxSelect } from './use-box-select.ts'
import styles from './virtual-grid.module.css'

const GAP = 10

interface VirtualGridProps<Item> {
  /** What the list holds, for screen readers. */
  label: string
  items: readonly Item[]
  keyOf(item: Item): string
  renderTile(item: Item, state: { isSelected: boolean; isActive: boolean }): ReactNode
  /** Least width of a tile in pixels. */
  minTile?: number
  /** Height of what stands below the square picture, in pixels. */
  captionHeight?: number
  selected?: ReadonlySet<string>
  /** Present: tiles can be selected, by click, Space, Shift and Ctrl as in a file manager. */
  onSelect?(selected: ReadonlySet<string>): void
  /** A plain click toggles instead of selecting one alone. */
  isToggling?: boolean
  /** Enter, and a click; a double click where tiles can be selected. */
  onActivate?(item: Item): void
  /** The tile that the arrow keys are on. */
  onMove?(item: Item): void
  hasMore?: boolean
  onEndReached?(): void
}

/** A grid of square tiles of which only the visible ones exist: ten thousand scroll as smoothly as ten. */
export function VirtualGrid<Item>({
  label,
  items,
  keyOf,
  renderTile,
  minTile = 132,
  captionHeight = 24,
  selected,
  onSelect,
  isToggling = false,
  onActivate,
  onMove,
  hasMore = false,
  onEndReached,
}: VirtualGridProps<Item>) {
  const scroller = useRef<HTMLDivElement>(null)
  const listId = useId()
  const [width, setWidth] = useState(0)
  const [active, setActive] = useState(0)
  const anchor = useRef(0)

  useLayoutEffect(() => {
    const element = scroller.current as HTMLDivElement
    const measure = () => setWidth(element.clientWidth)
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  const columns = Math.max(1, Math.floor((width - GAP) / (minTile + GAP)))
  const tile = (width - GAP * (columns + 1)) / columns
  const rowHeight = tile + captionHeight + GAP
  const rows = Math.ceil(items.length / columns)
  const virtualizer = useVirtualizer({
    count: width > 0 ? rows : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 3,
    paddingStart: GAP,
    paddingEnd: GAP,
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new height of the rows is the reason to measure
  useLayoutEffect(() => virtualizer.measure(), [rowHeight])

  const visible = virtualizer.getVirtualItems()
  const lastRow = visible.at(-1)?.index ?? 0
  useEffect(() => {
    if (hasMore && rows > 0 && lastRow >= rows - 4) onEndReached?.()
  }, [hasMore, lastRow, rows, onEndReached])

  const at = Math.min(active, Math.max(0, items.length - 1))

  function range(from: number, to: number): string[] {
    return items.slice(Math.min(from, to), Math.max(from, to) + 1).map(keyOf)
  }

  function select(index: number, { isRange, isAdding }: { isRange: boolean; isAdding: boolean }) {
    const item = items[index]
    if (!onSelect || !item) return
    const next = new Set(isRange || isAdding || isToggling ? selected : [])
    if (isRange) for (const key of range(anchor.current, index)) next.add(key)
    else if ((isAdding || isToggling) && next.has(keyOf(item))) next.delete(keyOf(item))
    else next.add(keyOf(item))
    if (!isRange) anchor.current = index
    onSelect(next)
  }

  function moveTo(index: number, isRange: boolean) {
    const next = Math.max(0, Math.min(items.length - 1, index))
    setActive(next)
    virtualizer.scrollToIndex(Math.floor(next / columns))
    const item = items[next]
    if (item) onMove?.(item)
    if (isRange) select(next, { isRange: true, isAdding: false })
    else anchor.current = next
  }

  function onKeyDown(event: KeyboardEvent) {
    const rowsPerPage = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight))
    const steps: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + columns,
      ArrowUp: at - columns,
      PageDown: at + columns * rowsPerPage,
      PageUp: at - columns * rowsPerPage,
      Home: 0,
      End: items.length - 1,
    }
    const step = steps[event.key]
    const item = items[at]
    if (step !== undefined) moveTo(step, event.shiftKey && onSelect !== undefined)
    else if (event.key === ' ' && onSelect) select(at, { isRange: event.shiftKey, isAdding: true })
    else if (event.key === 'Enter' && onActivate && item) onActivate(item)
    else if (event.key === 'Escape' && selected?.size) onSelect?.(new Set())
    else if (event.key === 'a' && (event.ctrlKey || event.metaKey) && onSelect) onSelect(new Set(items.map(keyOf)))
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  function onClick(event: MouseEvent, index: number) {
    setActive(index)
    const item = items[index]
    if (item) onMove?.(item)
    if (!onSelect && item) onActivate?.(item)
    if (onSelect) select(index, { isRange: event.shiftKey, isAdding: event.ctrlKey || event.metaKey })
  }

  const beforeBox = useRef<ReadonlySet<string>>(new Set())
  function selectBox({ left, top, right, bottom }: Box, isAdding: boolean, isFirst: boolean) {
    if (isFirst) beforeBox.current = isAdding || isToggling ? (selected ?? new Set()) : new Set()
    const next = new Set(beforeBox.current)
    const firstRow = Math.max(0, Math.floor((top - GAP) / rowHeight))
    for (let row = firstRow; row < rows && GAP + row * rowHeight <= bottom; row++) {
      for (let column = 0; column < columns; column++) {
        const x = GAP + column * (tile + GAP)
        const item = items[row * columns + column]
        if (item && x <= right && x + tile >= left) next.add(keyOf(item))
      }
    }
    onSelect?.(next)
  }
  const { box, handlers } = useBoxSelect(scroller, onSelect && selectBox)

  const optionId = (index: number) => `${listId}-${index}`
  return (
    <div
      ref={scroller}
      className={styles.grid}
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-multiselectable={onSelect !== undefined}
      aria-activedescendant={items.length > 0 ? optionId(at) : undefined}
      onKeyDown={onKeyDown}
      {...handlers}
    >
      <div role="presentation" className={styles.all} style={{ height: virtualizer.getTotalSize() }}>
        {visible.map((row) => (
          <div
            key={row.key}
            role="presentation"
            className={styles.row}
            style={{ transform: `translateY(${row.start}px)`, gap: GAP, paddingInline: GAP }}
          >
            {items.slice(row.index * columns, (row.index + 1) * columns).map((item, column) => {
              const index = row.index * columns + column
              const isSelected = selected?.has(keyOf(item)) ?? false
              return (
                // biome-ignore lint/a11y/useKeyWithClickEvents: the list takes the keys
                // biome-ignore lint/a11y/useFocusableInteractive: the list has the focus and names its active option
                <div
                  key={keyOf(item)}
                  id={optionId(index)}
                  role="option"
                  aria-selected={isSelected}
                  aria-setsize={hasMore ? -1 : items.length}
                  aria-posinset={index + 1}
                  className={`${styles.tile} ${index === at ? styles.active : ''}`}
                  style={{ width: tile }}
                  onClick={(event) => onClick(event, index)}
                  onDoubleClick={() => onSelect && onActivate?.(item)}
                >
                  {renderTile(item, { isSelected, isActive: index === at })}
                </div>
              )
            })}
          </div>
        ))}
        {box && (
          <div
            role="presentation"
            className={styles.box}
            style={{ left: box.left, top: box.top, width: box.right - box.left, height: box.bottom - box.top }}
          />
        )}
      </div>
    </div>
  )
}
