/** The public door of the engine: nothing else of it is imported from outside. */

export { type AblationInput, type AblationOutput, type AblationRow, ablate } from './ablation.ts'
export { type EdgeCalibration, fitCalibration } from './calibration.ts'
export {
  type CompareInput,
  type CompareMemory,
  type CompareOutput,
  type CompareRow,
  compareMethods,
  type LabelledRows,
} from './compare.ts'
export type { Decoder, DecoderInput, DecoderOutput, DecoderParameters } from './decoder.ts'
export { EngineError, type EngineErrorCode } from './errors.ts'
export { type EvaluationInput, type EvaluationOutput, evaluateModel, type Interval } from './evaluation.ts'
export { type BackendChoice, chooseBackend } from './gcn/backend.ts'
export { type PresetName, presetNames } from './gcn/presets.ts'
export { knn } from './knn/knn.ts'
export { normalizeRows } from './knn/normalize-rows.ts'
export { stackRows } from './knn/sub-lists.ts'
export { type ClusteringScores, evaluateClustering } from './metrics/evaluate-clustering.ts'
export { type ClusteringModel, checkFits, decodeModel, encodeModel, withChoice } from './model.ts'
export { countViolations } from './partition/constraint-index.ts'
export { enforceConstraints } from './partition/enforce-constraints.ts'
export type { MergeCandidates } from './partition/merge-candidates.ts'
export type { Phase } from './phase-clock.ts'
export {
  type ClusterInput,
  type ClusterParameters,
  type ClusterResult,
  clusterMethods,
  clusterVertices,
} from './pipeline.ts'
export { type PlacementBase, type PlacementInput, type PlacementResult, placeVertices } from './placement.ts'
export {
  type Augmentation,
  DEFAULT_AUGMENTATION,
  NO_AUGMENTATION,
} from './recognition/augmentation.ts'
export { type BackboneShape, convolutionalBackbone, embeddingHead } from './recognition/backbone.ts'
export { type ClustererInput, type ClustererSteps, chooseClusterer } from './recognition/choose-clusterer.ts'
export { embedSamples } from './recognition/embed.ts'
export { type IdentificationScores, identificationScores } from './recognition/identification.ts'
export type { MarginHead } from './recognition/margin-head.ts'
export {
  type ProposedClusters,
  type PseudoLabelChoices,
  type PseudoLabels,
  pseudoLabels,
} from './recognition/pseudo-labels.ts'
export {
  decodeRecognitionModel,
  encodeRecognitionModel,
  type RecognitionModel,
} from './recognition/recognition-model.ts'
export {
  type RetrainInput,
  type RetrainMemory,
  type RetrainOutput,
  type RetrainReport,
  type RetrainSteps,
  retrain,
} from './recognition/retrain.ts'
export { type Samples, selectSamples } from './recognition/samples.ts'
export {
  DEFAULT_RECOGNITION,
  type RecognitionInput,
  type RecognitionOutput,
  type RecognitionPoint,
  type RecognitionRecipe,
  type RecognitionTask,
  trainRecognition,
} from './recognition/train-recognition.ts'
export { type AuditSample, type EstimatedQuality, estimateQuality } from './review/audit-quality.ts'
export { type ShareInterval, shareInterval } from './review/binomial-interval.ts'
export { chooseThreshold, type ThresholdChoice } from './review/choose-threshold.ts'
export {
  type AnsweredLink,
  fitProbabilityMap,
  mapProbability,
  NO_CHANGE,
  type ProbabilityMap,
} from './review/probability-map.ts'
export { edgePriority, mergePriority } from './review/question-priority.ts'
export { type AcrossSpacesInput, chooseAcrossSpaces, type SpaceToMeasureIn } from './selection/choose-across-spaces.ts'
export type { MethodChoice } from './selection/choose-method.ts'
export {
  type TrainingInput,
  type TrainingOutput,
  type TrainingParameters,
  type TrainingReport,
  trainClusteringModel,
} from './training.ts'
export type { Constraints, Control, CsrGraph, Labels, Matrix, NeighbourLists, Progress } from './types.ts'
