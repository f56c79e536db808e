import { Empty } from '../../parts/states.tsx'

export default function IdentityScreen({ identityId }: { identityId: string }) {
  return <Empty title="Identity">{identityId}: this screen is being built.</Empty>
}
