/** How one GraphQL operation went. */
export interface OperationFacts {
  /** query, mutation or subscription. */
  readonly type: string
  /** Its first root field: names that clients choose have no bound. */
  readonly field: string
  /** ok, or the code of its first error. */
  readonly outcome: string
  readonly seconds: number
}

export interface JobFacts {
  readonly kind: string
  /** succeeded, failed, canceled or requeued. */
  readonly outcome: string
  readonly seconds: number
}

/** Counts what this process does, for Prometheus. */
export interface Metrics {
  countOperation(facts: OperationFacts): void
  countJob(facts: JobFacts): void
  countDelivery(outcome: 'delivered' | 'retried' | 'dead'): void
  /** Files whose time was over, deleted from the store. */
  countSweptFiles(kind: 'upload' | 'temporary', files: number): void
  /** Everything counted so far, and what is counted on the spot, in Prometheus's text format. */
  render(): Promise<{ contentType: string; text: string }>
}
