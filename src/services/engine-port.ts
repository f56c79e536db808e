import type {
  AcrossSpacesInput,
  BackendChoice,
  ClusterInput,
  ClusterResult,
  EvaluationInput,
  EvaluationOutput,
  Matrix,
  MethodChoice,
  NeighbourLists,
  PlacementInput,
  PlacementResult,
  Progress,
  RecognitionInput,
  RecognitionModel,
  RecognitionOutput,
  Samples,
  TrainingInput,
  TrainingOutput,
} from '../engine/index.ts'

/** How a caller follows and stops a long computation. */
export interface EngineControl {
  /** Aborting rejects the call with EngineError ABORTED within a few seconds at worst. */
  readonly signal?: AbortSignal
  /** At most four times a second, and once at the end of each phase. */
  readonly onProgress?: (progress: Progress) => void
  /** What a killed training of a recognition model goes on from. */
  readonly onCheckpoint?: (bytes: Uint8Array) => void
}

/** The engine off the event loop. Errors arrive as EngineError with their code. */
export interface EngineRunner {
  cluster(input: ClusterInput, control?: EngineControl): Promise<ClusterResult>
  place(input: PlacementInput, control?: EngineControl): Promise<PlacementResult>
  train(input: TrainingInput, control?: EngineControl): Promise<TrainingOutput>
  /** The method without training that does best on identities that none of the spaces has learnt from. */
  choose(input: AcrossSpacesInput, control?: EngineControl): Promise<MethodChoice>
  evaluate(input: EvaluationInput, control?: EngineControl): Promise<EvaluationOutput>
  /** The k nearest other rows of every row, exact. */
  neighbours(input: { x: Matrix; k: number }, control?: EngineControl): Promise<NeighbourLists>
  trainRecognition(input: RecognitionInput, control?: EngineControl): Promise<RecognitionOutput>
  /** Embeddings of samples by a recognition model, rows of unit length. */
  embed(
    input: { readonly model: RecognitionModel; readonly samples: Samples },
    control?: EngineControl,
  ): Promise<Matrix>
  /** Where the networks run, and why nowhere faster. */
  backend(): Promise<BackendChoice>
  /** Stops the thread; calls in flight reject with ABORTED. */
  close(): Promise<void>
}
