/** Names a session keeps plans under: each costs memory on each connection. */
const MOST_NAMES = 250
/** Texts that were seen, as long as there are names left; what varies without end is no statement to keep. */
const MOST_TEXTS = 5_000

/** Of these, those that hold the id of a project or a space: there may be thousands, and the others must have names left. */
const MOST_WITH_ID = 100

/** Statements that begin otherwise (COPY, SET, DDL) are not worth a plan. */
const isKept = (sql: string): boolean => /^\s*(\/\*(?! copy )|SELECT|INSERT|UPDATE|DELETE|WITH)/i.test(sql)
const holdsId = (sql: string): boolean => /'[0-9a-f]{8}-[0-9a-f]{4}-/.test(sql)

/**
 * Names for statements that come again, so that the server parses and plans them once a session and not once a call: small
 * ones take longer to plan than to run.
 *
 * `renew` gives every statement a new name: a migration that another server ran may have changed what they return.
 */
export function createStatementNames() {
  const names = new Map<string, string | undefined>()
  let named = 0
  let withId = 0
  let generation = 0
  return {
    nameOf({ sql }: { sql: string }): string | undefined {
      const known = names.get(sql)
      if (known !== undefined) return known
      if (!names.has(sql)) {
        // The first time says nothing: most texts that vary never come again.
        if (names.size < MOST_TEXTS && isKept(sql)) names.set(sql, undefined)
        return undefined
      }
      if (named >= MOST_NAMES) return undefined
      if (holdsId(sql) && ++withId > MOST_WITH_ID) return undefined
      const name = `t${generation}_${++named}`
      names.set(sql, name)
      return name
    },
    renew(): void {
      generation++
      named = 0
      withId = 0
      names.clear()
    },
  }
}

export type StatementNames = ReturnType<typeof createStatementNames>
