import type { CalibrationReport, Project, User } from '../generated/prisma/client.ts'
import { type AnnotatorStats, listAnnotatorStats } from '../services/annotator-stats.ts'
import * as calibrations from '../services/calibration.ts'
import { listEffortPoints, suggestStop } from '../services/effort-curve.ts'
import {
  type ReviewSettingsChange,
  readReviewSettings,
  updateReviewSettings as update,
} from '../services/review-settings.ts'
import type { Context } from './context.ts'
import { decodeRoot, encodeId } from './global-id.ts'
import { payload } from './payload.ts'

export const id = (report: CalibrationReport) => encodeId('CalibrationReport', report)

export const calibration = ({ id }: Project, _args: unknown, { app, viewer }: Context) =>
  calibrations.findCalibration(app, viewer, id)

export const effortCurve = ({ id }: Project, { last }: { last: number }, { app, viewer }: Context) =>
  listEffortPoints(app, viewer, id, last)

export const stopSuggestion = ({ id }: Project, _args: unknown, { app, viewer }: Context) =>
  suggestStop(app, viewer, id)

export const annotatorStats = ({ id }: Project, _args: unknown, { app, viewer }: Context) =>
  listAnnotatorStats(app, viewer, id)

export const annotator = ({ userId }: AnnotatorStats, _args: unknown, { load }: Context) =>
  load.user.load(userId) as Promise<User>

export const reviewSettings = (project: Project) => readReviewSettings(project)

export const calibrateThreshold = payload(
  async ({ input }: { input: calibrations.CalibrateThreshold }, { app, viewer }) => ({
    report: await calibrations.calibrateThreshold(app, viewer, {
      ...input,
      projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
    }),
  }),
)

export const updateReviewSettings = payload(async ({ input }: { input: ReviewSettingsChange }, { app, viewer }) => ({
  project: await update(app, viewer, {
    ...input,
    projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
  }),
}))
