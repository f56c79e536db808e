import type { z } from 'zod'

/** What a service needs to enqueue a job: its name and payload, but not its code. */
export interface JobDefinition<Payload> {
  /** Kind as clients see it, such as `cluster_run`. */
  readonly name: string
  readonly payload: z.ZodType<Payload>
  /** Outages are retried up to this many attempts in all; refusals never are. */
  readonly maxAttempts: number
}

const defined = new Map<string, JobDefinition<never>>()

/** Declares a job; each name is declared once. */
export function defineJob<Payload>(definition: JobDefinition<Payload>): JobDefinition<Payload> {
  if (defined.has(definition.name)) throw new Error(`the job ${definition.name} is defined twice`)
  defined.set(definition.name, definition as JobDefinition<never>)
  return definition
}

export function getDefinition(name: string): JobDefinition<never> {
  const definition = defined.get(name)
  if (!definition) throw new Error(`no job is named ${name}`)
  return definition
}

/** Names of all jobs declared so far. */
export const definedJobs = (): string[] => [...defined.keys()]
