// What damage is measured by: KL of predictions, or in a model without a head the distance of its embedding.
import type { Brittleness, Curve, Kappa, RunRecord, Value } from './record';

export interface Measure {
  damage: string;       // name of the damage
  axis: string;         // with its unit, for an axis
  unit: string;         // after a number, with its space
  between: string;      // what the damage is between
  sensitivity: string;  // name of the constant of the quadratic law
  means: string;        // what that says
}

const kPredictions: Measure = {
  damage: 'KL', axis: 'KL (nats)', unit: ' nats', between: 'the KL divergence between the predictions', sensitivity: 'kappa',
  means: 'kappa is how fast the prediction moves per unit of squared relative noise at that state',
};
const kEmbedding: Measure = {
  damage: 'distance', axis: '1 - cosine', unit: '', between: 'the distance (1 - cosine) between the embeddings', sensitivity: 'sensitivity',
  means: 'the sensitivity is how fast the embedding of a window moves per unit of squared relative noise at that state',
};

export function hasHead(record: RunRecord): boolean {
  return (record.model['no_head'] ?? '') === '';
}

export function measureOf(record: RunRecord): Measure {
  return hasHead(record) ? kPredictions : kEmbedding;
}

export function damage(c: Curve): Value[] {
  return c.distance ?? c.kl;
}

export function damageError(c: Curve): Value[] {
  return c.distance_se ?? c.kl_se;
}

/// kappa of every state, or the sensitivity of the embedding in its place.
export function sensitivities({ findings }: RunRecord): Kappa[] {
  return findings.embedding?.map((e) => ({
    state: e.state, kappa: e.sensitivity, standard_error: e.standard_error, strengths_used: e.strengths_used, critical_strength: null,
    fisher: e.backward, fisher_error: e.backward_error, difference_z: e.difference_z, estimator: e.estimator, note: e.note,
  })) ?? findings.kappa;
}

/// The same by segment.
export function segmentSensitivities({ findings }: RunRecord): Brittleness[] {
  return findings.embedding_segments?.map((s) => ({
    segment: s.segment, forced: s.forced, kappa_geometric: s.geometric, kappa_arithmetic: s.arithmetic, kappa_interval_90: s.interval_90, skip_kl_nats: s.skip_distance, note: s.note,
  })) ?? findings.brittleness;
}

/// States with one, the most brittle first.
export function ranked(record: RunRecord): (Kappa & { kappa: number })[] {
  return sensitivities(record).filter((k): k is Kappa & { kappa: number } => k.kappa !== null && k.kappa > 0).sort((a, b) => b.kappa - a.kappa);
}
