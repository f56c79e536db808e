/** A document of the page: the server knows its text by the SHA-256. The types are of its result and variables. */
export interface TypedDocument<Result, Variables> {
  readonly name: string
  readonly sha256: string
  /** Never there; it carries the types. */
  readonly __types?: (variables: Variables) => Result
}

/** The result that a document asks for. */
export type ResultOf<Document> = Document extends TypedDocument<infer Result, infer _Variables> ? Result : never
