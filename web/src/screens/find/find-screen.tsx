import { Empty } from '../../parts/states.tsx'

export default function FindScreen() {
  return <Empty title="Find">This screen is being built.</Empty>
}
