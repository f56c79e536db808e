import { mutationType, queryType } from './nexus.ts'

/** The roots, to which each noun adds its fields. */
export const rootTypes = [
  queryType({ description: 'Read side.', definition() {} }),
  mutationType({
    description: 'Write side. Each takes one input and returns a payload with userErrors.',
    definition() {},
  }),
]
