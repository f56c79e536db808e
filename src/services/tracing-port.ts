export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

/** Spans of what this process does; without a collector configured every call is free. */
export interface Tracing {
  /** Runs `work` in a span, which is the parent of spans within it; `headers` may name a parent in another process. */
  span<T>(
    name: string,
    attributes: SpanAttributes,
    work: () => Promise<T>,
    headers?: Readonly<Record<string, unknown>>,
  ): Promise<T>
  /** Renames the span at hand and adds to it, once more is known. */
  describe(name: string, attributes: SpanAttributes): void
  /** Sends what is left. */
  close(): Promise<void>
}
