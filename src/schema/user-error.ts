import * as resolve from '../resolvers/user-error.ts'
import { objectType, sourceIn } from './nexus.ts'

const StaleRevisionError = objectType({
  name: 'StaleRevisionError',
  sourceType: sourceIn('resolvers/payload.ts', 'UserErrorSource'),
  description: 'Somebody else changed the object first.',
  definition(t) {
    t.implements('UserError')
    t.nonNull.int('currentRevision', { description: 'Revision now stored.', resolve: resolve.currentRevision })
    t.nonNull.list.nonNull.field('interveningDecisions', {
      type: 'Decision',
      description: 'Decisions made since the revision the caller had seen, newest first, at most 20.',
      resolve: resolve.interveningDecisions,
    })
  },
})

const ConstraintConflictError = objectType({
  name: 'ConstraintConflictError',
  sourceType: sourceIn('resolvers/payload.ts', 'UserErrorSource'),
  description: 'The decision cannot hold together with earlier human decisions.',
  definition(t) {
    t.implements('UserError')
    t.nonNull.list.nonNull.field('conflictingConstraints', {
      type: 'Constraint',
      description: 'A minimal set of active constraints that together forbid the change.',
      resolve: resolve.conflictingConstraints,
    })
  },
})

const LeaseLostError = objectType({
  name: 'LeaseLostError',
  sourceType: sourceIn('resolvers/payload.ts', 'UserErrorSource'),
  description: 'The caller no longer holds the task.',
  definition(t) {
    t.implements('UserError')
    t.field('task', { type: 'ReviewTask', description: 'Task as it is now.', resolve: resolve.task })
  },
})

/** Refusals that carry facts of their own. */
export const userErrorTypes = [StaleRevisionError, ConstraintConflictError, LeaseLostError]
