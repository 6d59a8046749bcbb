// divergence.json as the page receives it (src/strata/record/divergence.h): without series and substitutions
// per document, rounded to six digits, the seed as a string. null = undefined.
import type { Card, Interval, Value } from '../record';

export interface Estimate { mean: Value; standard_error: Value; interval_90: Interval }
export interface TwinDocument {
  name: string; tokens: number; ordinary: number; scored: number; windows: number; nll_original_nats: Value;
  nll_other_nats: Value; kl_nats: Value; same_top: Value; lane_scored: number;
}
export interface Part { part: 'embedding' | 'block' | 'head' | 'everything'; block: number; kl_nats: Estimate; delta_nll_nats: Estimate; share: Value; rank: number }
export interface TwinFindings {
  sentences: string[]; identical: boolean; threshold: number; begins_at_state: number; first_difference: number;
  kl_nats: Estimate; delta_nll_nats: Estimate; same_top: Estimate; perplexity_original: Value; perplexity_other: Value;
  lane_kl_nats: Estimate; sum_of_parts_nats: Value; additivity: Estimate; parts: Part[];
  relative_difference: Estimate[]; relative_difference_all: Estimate[]; cosine_distance: Estimate[];
  cosine_distance_all: Estimate[]; local_error: Estimate[]; local_error_all: Estimate[];
}
export type ModelCard = Card & { name: string; n_layers: number };
export interface TwinRecord {
  command: string; run: Card; original: ModelCard; other: ModelCard; warnings: string[]; findings: TwinFindings;
  documents: TwinDocument[]; differing_tokens: number[]; differing_logits: number;
}

export function partName(part: Part): string {
  return part.part === 'block' ? `block ${part.block}` : part.part;
}
