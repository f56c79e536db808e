import { Empty } from '../../parts/states.tsx'

export function QueueScreen() {
  return <Empty title="Queue">This screen is being built.</Empty>
}
