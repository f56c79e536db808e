import type { Tx } from './app.ts'
import type { FailedRow } from './failed-rows.ts'
import type { LabelledItem } from './import-labels.ts'
import type { ManifestRow } from './manifest.ts'

/**
 * Labels of rows that replace what is stored. An item in no identity takes its label; one that has it already keeps it. Any
 * other place was given by people or by a run, and an import does not overrule it: the row is stored without its label,
 * and says so.
 */
export async function takeReplacedLabels(
  tx: Tx,
  projectId: string,
  replaced: readonly { itemId: string; row: Pick<ManifestRow, 'row' | 'externalKey' | 'label'> }[],
): Promise<{ labelled: LabelledItem[]; failed: FailedRow[] }> {
  const asked = replaced.filter(({ row }) => row.label !== undefined)
  if (asked.length === 0) return { labelled: [], failed: [] }
  const places = await tx.$queryRaw<{ itemId: string; name: string | null; isExcluded: boolean }[]>`
    /* takeReplacedLabels */
    SELECT t.item AS "itemId", d."name", x."id" IS NOT NULL AS "isExcluded"
    FROM unnest(${asked.map(({ itemId }) => itemId)}::uuid[]) AS t(item)
    LEFT JOIN "IdentityMember" m ON m."projectId" = ${projectId}::uuid AND m."itemId" = t.item
    LEFT JOIN "Identity" d ON d."projectId" = m."projectId" AND d."id" = m."identityId"
    LEFT JOIN "Constraint" x ON x."projectId" = ${projectId}::uuid AND x."leftItemId" = t.item
      AND x."kind" = 'EXCLUDED' AND x."revokedById" IS NULL
    WHERE m."itemId" IS NOT NULL OR x."id" IS NOT NULL`
  const placeOf = new Map(places.map((place) => [place.itemId, place]))
  const labelled: LabelledItem[] = []
  const failed: FailedRow[] = []
  for (const { itemId, row } of asked) {
    const label = row.label as string
    const place = placeOf.get(itemId)
    if (!place) labelled.push({ itemId, label })
    else if (place.name !== label) {
      const where = place.isExcluded ? 'is excluded' : `belongs to ${place.name ?? 'an identity without a name'}`
      failed.push({
        row: row.row,
        externalKey: row.externalKey,
        problem: `stored without its label ${label}: the item ${where}, which an import does not overrule; decide it in the review`,
      })
    }
  }
  return { labelled, failed }
}
