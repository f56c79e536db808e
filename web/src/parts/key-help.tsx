import { Drawer } from './drawer.tsx'
import styles from './key-help.module.css'

/** The keys of a screen, listed. */
export function KeyHelp({
  keys,
  onClose,
}: {
  keys: readonly (readonly [key: string, does: string])[]
  onClose(): void
}) {
  return (
    <Drawer title="Keys" onClose={onClose} isCentred>
      <dl className={styles.keys}>
        {keys.map(([key, does]) => (
          <div key={key} className={styles.line}>
            <dt>
              {key.split(' ').map((part) => (
                <kbd key={part}>{part}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Drawer>
  )
}
