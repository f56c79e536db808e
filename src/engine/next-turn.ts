/** Lets timers, messages and I/O run; a resolved promise would not. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}
