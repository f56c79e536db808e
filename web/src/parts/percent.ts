/** "42 %", of a share between 0 and 1. */
export const wholePercent = (share: number): string => `${Math.round(100 * share)} %`
