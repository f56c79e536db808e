import { Empty } from '../../parts/states.tsx'

export default function RunsScreen() {
  return <Empty title="Runs">This screen is being built.</Empty>
}
