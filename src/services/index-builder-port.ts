/** Builds indexes of large tables while everybody goes on working. */
export interface IndexBuilder {
  /**
   * Builds an index unless a whole one of that name exists; what an attempt that failed has left is dropped first.
   *
   * @param on table, method, columns and predicate, as in `CREATE INDEX "name" ON ...`; never from outside.
   * @param memoryBytes memory that the build can use well; less is given where the configuration says so.
   * @throws the reason of `signal` once it is aborted.
   */
  build(
    name: string,
    on: string,
    memoryBytes: number,
    control: { signal: AbortSignal; onProgress(completed: number, total?: number): void },
  ): Promise<void>
}
