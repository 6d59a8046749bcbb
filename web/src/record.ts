// The record as the page receives it: results.json, with means and standard errors in place of the values
// per document (src/strata/report/page_record.cpp). null = undefined. Fields that a later version adds
// are simply not read.

export type Value = number | null;
export type TokenSet = 'ordinary' | 'all';
export type Axis = 'state' | 'block' | 'edge';

export interface Interval { lo: Value; hi: Value }
export interface Series {
  id: string; unit: string; axis: Axis; group: string; tokens: TokenSet; note: string;
  mean: Value[]; standard_error: Value[];
}
export interface Cka { tokens: TokenSet; scale?: string; n_tokens: number; n_batches: number; n_replicates: number; note: string; value: Value[][] }
export interface Curve {
  intervention: string; site: string; strength_unit: string; axis: Axis; place: number; span: number; head?: number;
  strength: number[]; kl: Value[]; kl_se: Value[]; nll: Value[]; nll_se: Value[]; top1?: Value[]; top1_se?: Value[];
  distance?: Value[]; distance_se?: Value[];  // of the embedding, in a model without a head
  documents?: number[]; sampling_error?: Value[];  // where lanes left documents of their sample out
}
export interface Sink {
  document: number; window: number; position: number; token_id: number; text: string;
  onset_state: number; offset_state: number; dimension: number; peak_ratio: Value;
}
export interface Doc {
  name: string; bytes: number; tokens: number; scored: number; windows: number; dropped_tokens: number;
  nll_nats: Value; lane_tokens: number;
}
export interface Segment { name: string; begin: number; end: number }
export interface EdgeEstimate {
  edge: number; interval_90: Interval; modal_share: Value; histogram: Value[]; evidence?: Value; p_value?: Value; found_by?: string;
}
export interface CountTest {
  k_null: number; null_model: string; statistic: Value; p_value: Value; p_mc_error: Value; null_sample: Value[];
}
export interface Fit { k: number; name: string; edges: number[]; sse: Value; bic_ar1: Value; leave_one_out: Value }
export interface Detection {
  detector: string; tokens: TokenSet; defined: boolean; note: string; verdict: string; selected_k: number;
  boundaries: EdgeEstimate[]; forced_two: EdgeEstimate[]; tests: CountTest[]; fits: Fit[];
  k_stability: Value[]; used_signals: string[]; left_out: string[];
  role?: string; evidence?: Value[]; first_edge?: number; last_edge?: number;
}
export interface Kappa {
  state: number; kappa: Value; standard_error: Value; strengths_used: number[]; critical_strength: Value; fisher: Value; fisher_error: Value; difference_z: Value; estimator?: string; check?: Value; check_error?: Value; note: string;
}
export interface Brittleness {
  segment: Segment; forced: boolean; kappa_geometric: Value; kappa_arithmetic: Value;
  kappa_interval_90: Interval; skip_kl_nats: Value; means?: SegmentMean[]; rms_effective?: Value; rms_median?: Value; note: string;
}
/// In a model without a head, in the place of kappa.
export interface Embedding {
  state: number; sensitivity: Value; standard_error: Value; strengths_used: number[]; backward: Value; backward_error: Value; difference_z: Value; estimator: string; note: string;
}
export interface EmbeddingSegment {
  segment: Segment; forced: boolean; geometric: Value; arithmetic: Value; interval_90: Interval; skip_distance: Value; note: string;
}
export interface SegmentMean { noise: string; measure: string; estimator: string; geometric: Value; arithmetic: Value; note: string }
export interface Split { state: number; kappa: Value; absolute: Value; rms_effective: Value; rms_median: Value; correlation: Value; note: string }
export interface RandomTwins {
  detector: string; tokens: TokenSet; defined: boolean; note: string; observed: Value; statistic: Value[];
  selected_k: number[]; verdict: string[]; forced_two: Value[][]; rank: number; p_value: Value;
}
/// A primary signal on shuffled text, or in networks with random weights.
export interface NullSeries { id: string; axis: Axis; mean: Value[]; low: Value[]; high: Value[]; model: Value[]; correlation: Value; difference: Value }
export interface NullProfile {
  kind: string; runs: number; documents: number; tokens: number; note: string; likeness: string;
  median_correlation: Value; median_difference: Value; compared: number;
  detections: { detector: string; tokens: TokenSet; defined: boolean; note: string; verdict: string; selected_k: number; edges: number[] }[];
  series: NullSeries[];
}
export interface Reproduction {
  rule: string; tokens: TokenSet; defined: boolean; note: string; edges: number[]; difference: Value[]; threshold: Value;
}
export interface GroupLeftOut {
  group: string; tokens: TokenSet; defined: boolean; note: string; verdict: string; selected_k: number;
  edges: number[]; forced_two: number[];
}
export interface Agreement { tokens: TokenSet; detectors: string[]; distance: Value[][]; note: string }
export interface SignalChange {
  signal: string; unit: string; group: string; before: Value; after: Value; step: Value; step_interval_90: Interval; step_sigmas: Value;
  slope_before: Value; slope_after: Value; gain: Value;
}
export interface EdgeChange {
  edge: number; forced: boolean; lasting: boolean; with_sinks: string; state_jump: Value; state_usual: Value;
  signals: SignalChange[]; groups: { group: string; gain: Value; share: Value }[]; sentence: string;
}
export interface OddBlock { block: number; evidence: Value; p_value: Value; signals: string[] }
export interface Carrier { kind: string; first_position: boolean; words: string[]; dimension: number; written_by: number[]; removed_by: number[] }
export interface Findings {
  sentences: string[]; segments: Segment[]; segments_forced: boolean; headline: number;
  reproductions?: Reproduction[]; groups_left_out?: GroupLeftOut[]; agreement?: Agreement[];
  detections: Detection[]; random_twins?: RandomTwins[]; null_profiles?: NullProfile[]; kappa: Kappa[]; splits?: Split[]; brittleness: Brittleness[];
  embedding?: Embedding[]; embedding_segments?: EmbeddingSegment[];
  rate_distortion?: StateRate[]; segment_rate_distortion?: SegmentRate[];
  start_up?: Segment; read_out?: Segment; edge_changes?: EdgeChange[]; odd_blocks?: OddBlock[]; carriers?: Carrier[];
}
export interface RatePoint {
  strength: number; rate_nats: Value; rate_error: Value; distortion_nats: Value; distortion_error: Value;
  effective_dimension: Value; beta: Value; ln_beta_error: Value;
}
export interface MatchedPoint { distortion_nats: number; strength: Value; rate_nats: Value; effective_dimension: Value; beta: Value }
export interface RateCurve { points: RatePoint[]; matched: MatchedPoint[]; note: string }
export interface StateRate { state: number; curve: RateCurve }
export interface SegmentRate { segment: Segment; forced: boolean; curve: RateCurve }
export interface BottleneckPoint {
  beta: number; rate_nats: Value; rate_error: Value; distortion_nats: Value; distortion_error: Value;
  start_strength: number; start_rate_nats: Value; start_distortion_nats: Value;
}
export interface Bottleneck { state: number; train_tokens: number; held_out_tokens: number; steps: number; hidden: number; points: BottleneckPoint[] }
export interface LensRow { token_id: number[]; probability: Value[] }
export interface LensPassage {
  document: number; window: number; token_id: number[]; rows: LensRow[]; vocabulary: { id: number; text: string }[];
}
export type Card = Record<string, string | number | boolean | null>;
export interface RunRecord {
  schema_version: number; command: string; run: Card; model: Card & { name: string; n_layers: number };
  warnings: string[]; findings: Findings; documents: Doc[]; n_tokens: number; n_massive: number;
  growing?: string;  // of a run that goes on: what the page holds
  sinks: Sink[]; series: Series[]; cka: Cka[]; curves: Curve[]; bottlenecks?: Bottleneck[]; lens_passages?: LensPassage[];
}

export function headline(record: RunRecord): Detection | undefined {
  return record.findings.headline < 0 ? undefined : record.findings.detections[record.findings.headline];
}

/// The profile of shuffled text, where it was measured.
export function shuffled(record: RunRecord): NullProfile | undefined {
  return record.findings.null_profiles?.find((p) => p.kind === 'shuffled text' && p.runs > 0);
}

export function detectionName(detection: { detector: string; tokens: TokenSet }): string {
  return `${detection.detector}, ${tokenWords(detection.tokens)}`;
}

/// The rule and its detectors; all of them in records from before there was a rule.
export function deciding(record: RunRecord): Detection[] {
  const { detections } = record.findings;
  const main = detections.filter((d) => d.role === 'rule' || d.role === 'detector');
  return main.length > 0 ? main : detections;
}

/// Earlier detectors, which decide nothing.
export function earlier(record: RunRecord): Detection[] {
  const main = deciding(record);
  return record.findings.detections.filter((d) => !main.includes(d));
}

export function tokenWords(tokens: TokenSet): string {
  return tokens === 'all' ? 'all tokens' : 'ordinary tokens';
}

export function stateName(state: number, layers: number): string {
  return state === layers ? 'the output of the last block' : `the input of block ${state}`;
}

/// "blocks 3 to 5", in words rather than [3,6).
export function blocksOf(segment: Segment): string {
  return segment.end - segment.begin === 1 ? `block ${segment.begin}` : `blocks ${segment.begin} to ${segment.end - 1}`;
}

export function finite(values: Value[]): number[] {
  return values.filter((value): value is number => value !== null);
}

export function unique(values: string[]): string[] {
  return [...new Set(values.filter((value) => value !== ''))];
}
