/** Where the pictures of the demo come from: npm packages of drawn emoji, and what their licences ask for. */
export const VENDORS = [
  { vendor: 'emojione', styleIndex: 0, licence: 'CC BY 4.0 (EmojiOne 2)' },
  { vendor: 'fluent-emoji', styleIndex: 2, licence: 'MIT (Microsoft Fluent Emoji)' },
  { vendor: 'fluent-emoji-flat', styleIndex: 3, licence: 'MIT (Microsoft Fluent Emoji)' },
  { vendor: 'noto', styleIndex: 4, licence: 'Apache-2.0 (Google Noto Emoji)' },
  { vendor: 'openmoji', styleIndex: 6, licence: 'CC BY-SA 4.0 (OpenMoji)' },
  { vendor: 'twemoji', styleIndex: 7, licence: 'CC BY 4.0 (Twemoji, Twitter and contributors)' },
] as const

export type Vendor = (typeof VENDORS)[number]['vendor']
