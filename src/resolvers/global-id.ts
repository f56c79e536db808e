import { DomainError } from '../services/errors.ts'
import {
  encodeId,
  encodeRoot,
  encodeRunNode,
  type NodeRef,
  type ProjectNodeType,
  parseId,
  type RootNodeType,
  type RunNodeType,
} from '../services/global-id.ts'
import type { Ref, RunRef } from '../services/id.ts'

export { encodeId, encodeRoot, encodeRunNode, type NodeRef, parseId }

const withArticle = (type: string) => `${/^[AEIO]/.test(type) ? 'an' : 'a'} ${type}`

function refuse(globalId: string, expected: string, path: string[]): DomainError {
  const given = parseId(globalId)
  const got = given ? withArticle(given.type) : 'no id of this server'
  return new DomainError('NOT_FOUND', `${path.join('.') || 'id'} must be the id of ${expected}: got ${got}`, { path })
}

/** The project row that a global id of the given type names; refuses any other id as NOT_FOUND. */
export function decodeId(type: ProjectNodeType, globalId: string, ...path: string[]): Ref {
  const ref = parseId(globalId)
  if (ref?.type !== type) throw refuse(globalId, withArticle(type), path)
  return ref as Ref
}

export function decodeRoot(type: RootNodeType, globalId: string, ...path: string[]): string {
  const ref = parseId(globalId)
  if (ref?.type !== type) throw refuse(globalId, withArticle(type), path)
  return (ref as { id: string }).id
}

export function decodeRunNode(type: RunNodeType, globalId: string, ...path: string[]): RunRef {
  const ref = parseId(globalId)
  if (ref?.type !== type) throw refuse(globalId, withArticle(type), path)
  return ref as RunRef
}

/** Decodes many ids of one project; an id of another project is refused like an unknown one. */
export function decodeIds(
  type: ProjectNodeType,
  projectId: string,
  globalIds: readonly string[],
  ...path: string[]
): string[] {
  return globalIds.map((globalId, i) => {
    const ref = decodeId(type, globalId, ...path, String(i))
    if (ref.projectId !== projectId) {
      const message = `${[...path, i].join('.')} must be the id of ${withArticle(type)} of this project: got one of another`
      throw new DomainError('NOT_FOUND', message, { path: [...path, String(i)] })
    }
    return ref.id
  })
}
