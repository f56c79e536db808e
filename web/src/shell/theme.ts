/** `auto` follows the system. */
export type Theme = 'auto' | 'light' | 'dark'

const KEY = 'tributary.theme'
const THEMES: readonly string[] = ['auto', 'light', 'dark']

export function storedTheme(): Theme {
  const stored = localStorage.getItem(KEY) ?? 'auto'
  return THEMES.includes(stored) ? (stored as Theme) : 'auto'
}

export function applyTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme)
  if (theme === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}
