import type pg from 'pg'

/**
 * What every session is told once. Candidates that an HNSW search keeps as long as none were measured for its space; iterative
 * scans keep filtered searches from coming back short (pgvector 0.8). As statements, not as start parameters: connection
 * poolers refuse those.
 */
const SETTINGS = "SET hnsw.ef_search = 120; SET hnsw.iterative_scan = 'relaxed_order'"

/** Pool options that prepare each new session. */
export const sessionSettings = {
  onConnect: async (client: pg.ClientBase): Promise<void> => {
    await client.query(SETTINGS)
  },
}
