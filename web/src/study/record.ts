// study.json as the page receives it (src/strata/record/study.h): rounded to six digits, the seed as a string.
// null = undefined. Every member stands for one run; a model may stand on several texts.
import type { Interval, Segment, Value } from '../record';

export interface StudyCard {
  tool_version: string; name: string; title: string; source: string; notes: string[]; seed: string; alpha: number;
  resamples: number; permutations: number; main_text: string; stable_family: string; variable_family: string;
}
export interface Expected {
  quantity: string; family: string; lo: Value; hi: Value; source: string; note: string; ours_lo: Value; ours_hi: Value; ours_note: string;
}
export interface Boundary { edge: number; depth: number; depth_interval_90: Interval; location_error: Value }
export interface MemberSegment {
  segment: Segment; ln_kappa: Value; ln_kappa_interval_90: Interval; ln_absolute: Value; ln_absolute_interval_90: Interval;
  ln_rms_eff: Value; ln_rms: Value; ln_skip_kl: Value; ln_beta: Value;
}
export interface Member {
  model: string; family: string; text: string; training: string; hub_id: string; revision: string; checkpoint_sha256: string;
  corpus_sha256: string; n_layers: number; hidden: number; parameters: number; detector: string; selected_k: number;
  verdict: string; forced: boolean; boundaries: Boundary[]; segments: MemberSegment[]; ln_kappa: Value[]; ln_absolute: Value[];
  ln_skip_kl: Value[]; ln_beta: Value[]; note: string; forced_boundaries: Boundary[]; forced_segments: MemberSegment[];
}
export interface FamilyFigure {
  family: string; quantity: string; models: number; mean: Value; sd: Value; sd_interval_90: Interval; cv: Value;
  location_error: Value; sd_without_error: Value; smooth_sd: Value;
}
export interface Spread {
  family: string; against: string; quantity: string; ln_sd_ratio: Value; ln_sd_ratio_interval_90: Interval; p_value: Value;
  labelings: number; smallest_p: Value; brown_forsythe_f: Value; brown_forsythe_p: Value; note: string;
}
export interface Gap {
  family: string; against: string; segment: string; models: number; models_against: number; ln_kappa: Value;
  ln_kappa_interval_90: Interval; ln_absolute: Value; ln_absolute_interval_90: Interval; scale: Value; rms_scale: Value;
  remainder: Value; smallest_pair: Value; largest_pair: Value; reading: string; note: string;
}
export interface Share {
  response: string; predictor: string; r2_first: Value; p_first: Value; r2_last: Value; p_last: Value; models: number; note: string;
}
export interface Dominance { family: string; verdict: string; sd: Value; r2_family: Value; p_value: Value; reason: string }
export interface Quantity { name: string; unit: string; value: Value; interval_90: Interval; note: string }
export interface Verdict {
  id: string; title: string; claim: string; statistic: string; null: string; region: string; refuted_by: string; set: string;
  outcome: 'supported' | 'refuted' | 'undecided' | 'moot'; tag: string; effect: Value; effect_unit: string; effect_interval_90: Interval;
  claimed_region: Interval; claimed_outside: boolean; p_value: Value; p_adjusted: Value; smallest_p: Value; models: number; models_needed: number;
  forced: boolean; reason: string; quantities: Quantity[]; models_tested: number; models_selected: number; power: Value;
}
/// Description only: the best two-boundary splits, which exist in any model.
export interface ForcedSplits { families: FamilyFigure[]; gaps: Gap[]; distances: Quantity[] }
export interface StudyRecord {
  command: string; study: StudyCard; members: Member[]; expected: Expected[]; families: FamilyFigure[]; spreads: Spread[];
  gaps: Gap[]; variance: Share[]; dominance: Dominance[]; verdicts: Verdict[]; sentences: string[]; warnings: string[];
  forced_splits: ForcedSplits;
}

/// Families in the order in which they come.
export function familiesOf(record: StudyRecord): string[] {
  return [...new Set(record.members.map((m) => m.family))];
}

/// Members on the text that T1 to T9 are about, family by family.
export function mainMembers(record: StudyRecord): Member[] {
  return familiesOf(record).flatMap((family) => record.members.filter((m) => m.family === family && m.text === record.study.main_text));
}

export function exp(value: Value): Value {
  return value === null ? null : Math.exp(value);
}
