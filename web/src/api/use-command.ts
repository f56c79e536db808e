import { useState } from 'react'
import { messageOf } from './errors.ts'
import type { TypedDocument } from './typed-document.ts'
import { accepted, newKey, type Refusable, refresh, useAction } from './use-api.ts'

/**
 * A mutation that a person sets off with a button or a form. What comes of it is shown by the queries `shownBy`, which are asked
 * again; a refusal or failure becomes the sentence `problem` until the next try.
 *
 * @returns `run` sends it under a key of its own, and resolves to the payload, or to undefined where there is a problem
 */
export function useCommand<Payload extends Refusable, Input extends { idempotencyKey: string | number }>(
  document: TypedDocument<Record<string, Payload>, { input: Input }>,
  ...shownBy: Parameters<typeof refresh>
) {
  const { mutateAsync, isPending } = useAction(document)
  const [problem, setProblem] = useState<string>()

  async function run(input: Omit<Input, 'idempotencyKey'>): Promise<Payload | undefined> {
    setProblem(undefined)
    try {
      const result = await mutateAsync({ input: { ...input, idempotencyKey: newKey() } as Input })
      const payload = accepted(Object.values(result)[0] as Payload)
      await refresh(...shownBy)
      return payload
    } catch (error) {
      setProblem(messageOf(error))
      return undefined
    }
  }

  return { run, isPending, problem }
}
