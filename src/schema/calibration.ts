import * as resolve from '../resolvers/calibration.ts'
import {
  extendType,
  inputArg,
  inputObjectType,
  intArg,
  nonNull,
  objectType,
  payloadType,
  prismaRow,
  sourceIn,
} from './nexus.ts'

const CalibrationReport = objectType({
  name: 'CalibrationReport',
  description: 'A threshold chosen so that precision holds with stated confidence.',
  sourceType: prismaRow('CalibrationReport'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.float('targetPrecision', { description: 'Precision asked for.' })
    t.nonNull.float('delta', { description: 'Allowed chance of missing it.' })
    t.float('threshold', {
      description: 'Chosen edge probability; null when no threshold can be guaranteed with the labels there are.',
    })
    t.float('precisionLowerBound', { description: 'Lower confidence bound at that threshold.' })
    t.nonNull.int('labelsUsed', { description: 'Labelled pairs used.' })
    t.nonNull.float('autoAcceptedShare', { description: 'Share of links accepted without a person.' })
    t.int('labelsNeeded', {
      description: 'Labels still needed, when threshold is null; 1,000,000 where no number is foreseen to do.',
    })
  },
})

const EffortPoint = objectType({
  name: 'EffortPoint',
  description: 'One point of the effort-to-quality curve.',
  sourceType: sourceIn('services/effort-curve.ts', 'EffortPoint'),
  definition(t) {
    t.nonNull.int('answers', { description: 'Human answers given so far.' })
    t.nonNull.int('activeSeconds', { description: 'Seconds of active annotator time so far.' })
    t.nonNull.field('precision', { type: 'Estimate', description: 'Estimated pairwise precision.' })
    t.nonNull.field('recall', { type: 'Estimate', description: 'Estimated pairwise recall.' })
  },
})

const StopSuggestion = objectType({
  name: 'StopSuggestion',
  description: "Whether going on with the queue is worth people's time.",
  sourceType: sourceIn('services/effort-curve.ts', 'StopSuggestion'),
  definition(t) {
    t.nonNull.boolean('isSuggested', { description: 'True when more answers would hardly change anything.' })
    t.nonNull.string('reason', { description: 'Why, in a sentence.' })
    t.nonNull.int('recentAnswers', { description: 'Latest answers from the ordered queue that were looked at.' })
    t.nonNull.int('recentChanges', { description: 'Of these, answers that changed what the run had proposed.' })
    t.nonNull.int('openQuestions', { description: 'Questions that are still open.' })
    t.nonNull.float('openExpectedWrongPairs', { description: 'Expected wrong pairs that they would remove.' })
  },
})

const AnnotatorStats = objectType({
  name: 'AnnotatorStats',
  description: 'Effort and quality of one annotator.',
  sourceType: sourceIn('services/annotator-stats.ts', 'AnnotatorStats'),
  definition(t) {
    t.nonNull.field('user', { type: 'User', description: 'Who.', resolve: resolve.annotator })
    t.nonNull.int('answers', { description: 'Answers given.' })
    t.nonNull.int('medianDurationMs', { description: 'Median milliseconds of an answer.' })
    t.field('goldAccuracy', { type: 'Estimate', description: 'Accuracy on hidden gold tasks.' })
    t.field('agreement', { type: 'Estimate', description: 'Agreement with other people on double-asked tasks.' })
  },
})

const ReviewSettings = objectType({
  name: 'ReviewSettings',
  description: 'How the review queue of a project is mixed.',
  sourceType: sourceIn('services/review-settings.ts', 'ReviewSettings'),
  definition(t) {
    t.nonNull.float('auditShare', {
      description: 'Share of tasks drawn by chance; only they feed the quality curve and the calibrated threshold.',
    })
    t.nonNull.float('goldShare', { description: 'Share of tasks whose answer is known, to measure annotators.' })
    t.nonNull.float('nearDuplicateSimilarity', {
      description: 'Items at least so similar count as one picture: one question stands for all.',
    })
    t.nonNull.boolean('isSameImageApart', {
      description: 'True when two boxes of one source image are never the same subject.',
    })
  },
})

export const calibrationTypes = [
  CalibrationReport,
  EffortPoint,
  StopSuggestion,
  AnnotatorStats,
  ReviewSettings,
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.list.nonNull.field('effortCurve', {
        type: 'EffortPoint',
        description: 'Estimated quality against effort so far.',
        args: { last: nonNull(intArg({ default: 50, description: 'Points, at most 500; the latest ones.' })) },
        resolve: resolve.effortCurve,
      })
      t.nonNull.field('stopSuggestion', {
        type: 'StopSuggestion',
        description: "Whether going on with the queue is worth people's time.",
        resolve: resolve.stopSuggestion,
      })
      t.field('calibration', {
        type: 'CalibrationReport',
        description: 'Latest calibration of the auto-accept threshold.',
        resolve: resolve.calibration,
      })
      t.nonNull.list.nonNull.field('annotatorStats', {
        type: 'AnnotatorStats',
        description: "Effort and agreement of each annotator; REVIEWER and above, or the caller's own row.",
        resolve: resolve.annotatorStats,
      })
      t.nonNull.field('reviewSettings', {
        type: 'ReviewSettings',
        description: 'How the review queue is mixed.',
        resolve: resolve.reviewSettings,
      })
    },
  }),
  inputObjectType({
    name: 'CalibrateThresholdInput',
    description: 'Calibrate.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.float('targetPrecision', { default: 0.99, description: 'Precision wanted.' })
      t.nonNull.float('delta', { default: 0.05, description: 'Allowed chance of missing it.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('CalibrateThresholdPayload', 'Calibrated.', (t) => {
    t.field('report', { type: 'CalibrationReport', description: 'Report.' })
  }),
  inputObjectType({
    name: 'UpdateReviewSettingsInput',
    description: 'Settings to change; what is left out stays.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.float('auditShare', { description: '0 to 1; 0.05 to 0.1 is usual.' })
      t.float('goldShare', { description: '0 to 0.5.' })
      t.float('nearDuplicateSimilarity', { description: '0.5 to 1.' })
      t.boolean('isSameImageApart', { description: 'Two boxes of one source image are never the same subject.' })
    },
  }),
  payloadType('UpdateReviewSettingsPayload', 'Settings changed.', (t) => {
    t.field('project', { type: 'Project', description: 'Project.' })
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('calibrateThreshold', {
        type: 'CalibrateThresholdPayload',
        description: 'Choose the auto-accept threshold.',
        args: inputArg('CalibrateThresholdInput'),
        resolve: resolve.calibrateThreshold,
      })
      t.nonNull.field('updateReviewSettings', {
        type: 'UpdateReviewSettingsPayload',
        description: 'Change how the review queue is mixed; ADMIN only.',
        args: inputArg('UpdateReviewSettingsInput'),
        resolve: resolve.updateReviewSettings,
      })
    },
  }),
]
