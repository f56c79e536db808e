import { Empty } from '../../parts/states.tsx'

export default function ImportScreen() {
  return <Empty title="Import">This screen is being built.</Empty>
}
