// The keys of what was concluded in results.json; see fields.h.
#pragma once

#include "strata/record/detection_fields.h"
#include "strata/record/findings.h"
#include "strata/record/trace_fields.h"

namespace strata::record_json {

template <class Visitor, Is<KappaEstimate> T>
void fields(Visitor& visit, T& x) {
  auto& [state, kappa, standard_error, strengths_used, critical_strength, critical_error, fisher,
         fisher_error, difference_z, nll, nll_error, absolute_fisher, absolute_fisher_error, absolute,
         absolute_error, absolute_nll, absolute_nll_error, estimator, check, check_error, note] = x;
  visit("state", state);
  visit("kappa", kappa);
  visit("standard_error", standard_error);
  visit("strengths_used", strengths_used);
  visit("critical_strength", critical_strength);
  visit.optional("critical_error", critical_error);
  visit.optional("fisher", fisher);
  visit.optional("fisher_error", fisher_error);
  visit.optional("difference_z", difference_z);
  visit.optional("nll", nll);
  visit.optional("nll_error", nll_error);
  visit.optional("absolute_fisher", absolute_fisher);
  visit.optional("absolute_fisher_error", absolute_fisher_error);
  visit.optional("absolute", absolute);
  visit.optional("absolute_error", absolute_error);
  visit.optional("absolute_nll", absolute_nll);
  visit.optional("absolute_nll_error", absolute_nll_error);
  visit.optional("estimator", estimator);
  visit.unless_empty("check", check);
  visit.unless_empty("check_error", check_error);
  visit("note", note);
}

template <class Visitor, Is<StateSplit> T>
void fields(Visitor& visit, T& x) {
  auto& [state, kappa, absolute, rms_effective, rms_median, correlation, kappa_by_doc, absolute_by_doc,
         rms_effective_by_doc, rms_median_by_doc, note] = x;
  visit("state", state);
  visit("kappa", kappa);
  visit("absolute", absolute);
  visit("rms_effective", rms_effective);
  visit("rms_median", rms_median);
  visit("correlation", correlation);
  visit("kappa_by_doc", kappa_by_doc);
  visit("absolute_by_doc", absolute_by_doc);
  visit("rms_effective_by_doc", rms_effective_by_doc);
  visit("rms_median_by_doc", rms_median_by_doc);
  visit("note", note);
}

template <class Visitor, Is<DoseSummary> T>
void fields(Visitor& visit, T& x) {
  auto& [intervention, site, strength_unit, axis, place, span, head, critical_strength, critical_error,
         note] = x;
  visit("intervention", intervention);
  visit("site", site);
  visit("strength_unit", strength_unit);
  visit("axis", axis);
  visit("place", place);
  visit("span", span);
  visit("head", head);
  visit("critical_strength", critical_strength);
  visit("critical_error", critical_error);
  visit("note", note);
}

template <class Visitor, Is<SegmentMean> T>
void fields(Visitor& visit, T& x) {
  auto& [noise, measure, estimator, geometric, arithmetic, note] = x;
  visit("noise", noise);
  visit("measure", measure);
  visit("estimator", estimator);
  visit("geometric", geometric);
  visit("arithmetic", arithmetic);
  visit("note", note);
}

template <class Visitor, Is<SegmentBrittleness> T>
void fields(Visitor& visit, T& x) {
  auto& [segment, forced, kappa_geometric, kappa_arithmetic, kappa_interval_90, skip_kl_nats, kappa_joint,
         kappa_joint_error, means, rms_effective, rms_median, note] = x;
  visit("segment", segment);
  visit("forced", forced);
  visit("kappa_geometric", kappa_geometric);
  visit("kappa_arithmetic", kappa_arithmetic);
  visit("kappa_interval_90", kappa_interval_90);
  visit("skip_kl_nats", skip_kl_nats);
  visit.optional("kappa_joint", kappa_joint);
  visit.optional("kappa_joint_error", kappa_joint_error);
  visit.optional("means", means);
  visit.optional("rms_effective", rms_effective);
  visit.optional("rms_median", rms_median);
  visit("note", note);
}

template <class Visitor, Is<EmbeddingSensitivity> T>
void fields(Visitor& visit, T& x) {
  auto& [state, value, standard_error, strengths_used, backward, backward_error, difference_z, absolute,
         absolute_error, absolute_backward, absolute_backward_error, estimator, note] = x;
  visit("state", state);
  visit("sensitivity", value);
  visit("standard_error", standard_error);
  visit("strengths_used", strengths_used);
  visit("backward", backward);
  visit("backward_error", backward_error);
  visit("difference_z", difference_z);
  visit("absolute", absolute);
  visit("absolute_error", absolute_error);
  visit("absolute_backward", absolute_backward);
  visit("absolute_backward_error", absolute_backward_error);
  visit("estimator", estimator);
  visit("note", note);
}

template <class Visitor, Is<SegmentEmbedding> T>
void fields(Visitor& visit, T& x) {
  auto& [segment, forced, geometric, arithmetic, interval_90, skip_distance, joint, joint_error, note] = x;
  visit("segment", segment);
  visit("forced", forced);
  visit("geometric", geometric);
  visit("arithmetic", arithmetic);
  visit("interval_90", interval_90);
  visit("skip_distance", skip_distance);
  visit("joint", joint);
  visit("joint_error", joint_error);
  visit("note", note);
}

template <class Visitor, Is<RatePoint> T>
void fields(Visitor& visit, T& x) {
  auto& [strength, rate_nats, rate_error, distortion_nats, distortion_error, effective_dimension, beta,
         ln_beta_error] = x;
  visit("strength", strength);
  visit("rate_nats", rate_nats);
  visit("rate_error", rate_error);
  visit("distortion_nats", distortion_nats);
  visit("distortion_error", distortion_error);
  visit("effective_dimension", effective_dimension);
  visit("beta", beta);
  visit("ln_beta_error", ln_beta_error);
}

template <class Visitor, Is<MatchedPoint> T>
void fields(Visitor& visit, T& x) {
  auto& [distortion_nats, strength, rate_nats, effective_dimension, beta] = x;
  visit("distortion_nats", distortion_nats);
  visit("strength", strength);
  visit("rate_nats", rate_nats);
  visit("effective_dimension", effective_dimension);
  visit("beta", beta);
}

template <class Visitor, Is<RateDistortion> T>
void fields(Visitor& visit, T& x) {
  auto& [points, matched, note] = x;
  visit("points", points);
  visit("matched", matched);
  visit("note", note);
}

template <class Visitor, Is<StateRateDistortion> T>
void fields(Visitor& visit, T& x) {
  auto& [state, curve] = x;
  visit("state", state);
  visit("curve", curve);
}

template <class Visitor, Is<SegmentRateDistortion> T>
void fields(Visitor& visit, T& x) {
  auto& [segment, forced, curve] = x;
  visit("segment", segment);
  visit("forced", forced);
  visit("curve", curve);
}

template <class Visitor, Is<CarrierEvent> T>
void fields(Visitor& visit, T& x) {
  auto& [kind, first_position, words, dimension, first_state, last_state, written_by, removed_by, token_share,
         peak_share, before, after, peak_ratio] = x;
  visit("kind", kind);
  visit("first_position", first_position);
  visit("words", words);
  visit("dimension", dimension);
  visit("first_state", first_state);
  visit("last_state", last_state);
  visit("written_by", written_by);
  visit("removed_by", removed_by);
  visit("token_share", token_share);
  visit("peak_share", peak_share);
  visit("before", before);
  visit("after", after);
  visit("peak_ratio", peak_ratio);
}

template <class Visitor, Is<SignalChange> T>
void fields(Visitor& visit, T& x) {
  auto& [signal, unit, group, before, after, step, step_interval_90, step_sigmas, slope_before, slope_after,
         gain] = x;
  visit("signal", signal);
  visit("unit", unit);
  visit("group", group);
  visit("before", before);
  visit("after", after);
  visit("step", step);
  visit("step_interval_90", step_interval_90);
  visit("step_sigmas", step_sigmas);
  visit("slope_before", slope_before);
  visit("slope_after", slope_after);
  visit("gain", gain);
}

template <class Visitor, Is<GroupGain> T>
void fields(Visitor& visit, T& x) {
  auto& [group, gain, share] = x;
  visit("group", group);
  visit("gain", gain);
  visit("share", share);
}

template <class Visitor, Is<EdgeChange> T>
void fields(Visitor& visit, T& x) {
  auto& [edge, forced, lasting, with_sinks, state_jump, state_usual, signals, groups, sentence] = x;
  visit("edge", edge);
  visit("forced", forced);
  visit("lasting", lasting);
  visit("with_sinks", with_sinks);
  visit("state_jump", state_jump);
  visit("state_usual", state_usual);
  visit("signals", signals);
  visit("groups", groups);
  visit("sentence", sentence);
}

template <class Visitor, Is<OddBlock> T>
void fields(Visitor& visit, T& x) {
  auto& [block, evidence, p_value, signals] = x;
  visit("block", block);
  visit("evidence", evidence);
  visit("p_value", p_value);
  visit("signals", signals);
}

template <class Visitor, Is<Findings> T>
void fields(Visitor& visit, T& x) {
  auto& [detections, reproductions, groups_left_out, agreement, random_twins, null_profiles, headline,
         segments, segments_forced, start_up, read_out, edge_changes, odd_blocks, kappa, splits, doses,
         brittleness, embedding, embedding_segments, rate_distortion, segment_rate_distortion, carriers,
         sentences] = x;
  visit("sentences", sentences);
  visit("segments", segments);
  visit("segments_forced", segments_forced);
  visit.optional("start_up", start_up);
  visit.optional("read_out", read_out);
  visit("headline", headline);
  visit("detections", detections);
  visit.optional("reproductions", reproductions);
  visit.optional("groups_left_out", groups_left_out);
  visit.optional("agreement", agreement);
  visit.optional("random_twins", random_twins);
  visit.optional("null_profiles", null_profiles);
  visit.optional("edge_changes", edge_changes);
  visit.optional("odd_blocks", odd_blocks);
  visit("kappa", kappa);
  visit.optional("splits", splits);
  visit.optional("doses", doses);
  visit("brittleness", brittleness);
  visit.unless_empty("embedding", embedding);
  visit.unless_empty("embedding_segments", embedding_segments);
  visit.optional("rate_distortion", rate_distortion);
  visit.optional("segment_rate_distortion", segment_rate_distortion);
  visit.optional("carriers", carriers);
}

}  // namespace strata::record_json
