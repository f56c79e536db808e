import graphql from '@graphql-eslint/eslint-plugin'

const { rules: recommended } = graphql.configs['flat/schema-recommended']
const { rules: relay } = graphql.configs['flat/schema-relay']

/** ESLint reads the SDL only; everything else is Biome's. */
export default [
  {
    files: ['schema.graphql'],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: './schema.graphql' } } },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...recommended,
      ...relay,
      // Only what implements Node has an identity; payloads, edges, errors and measurements are values.
      '@graphql-eslint/strict-id-in-types': 'off',
      // Pages are read forward only.
      '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
      // Short lists that a person sees whole (members, keys, panels) are plain lists.
      '@graphql-eslint/relay-edge-types': [
        'error',
        { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
      ],
      '@graphql-eslint/require-description': [
        'error',
        {
          types: true,
          rootField: true,
          DirectiveDefinition: true,
          EnumValueDefinition: true,
          FieldDefinition: true,
          InputValueDefinition: true,
        },
      ],
      '@graphql-eslint/input-name': ['error', { checkInputType: true, caseSensitiveInputType: false }],
      '@graphql-eslint/no-scalar-result-type-on-mutation': 'error',
      '@graphql-eslint/require-nullable-fields-with-oneof': 'error',
    },
  },
]
