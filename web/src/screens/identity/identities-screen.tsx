import { Empty } from '../../parts/states.tsx'

export default function IdentitiesScreen() {
  return <Empty title="Identities">This screen is being built.</Empty>
}
