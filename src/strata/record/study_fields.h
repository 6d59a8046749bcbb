// The keys of study.json, as fields.h lists those of results.json. A member added to a struct and not listed
// here does not compile.
#pragma once

#include "strata/record/fields.h"
#include "strata/record/study.h"

namespace strata::record_json {

template <class Visitor, Is<StudyCard> T>
void fields(Visitor& visit, T& x) {
  auto& [tool_version, name, title, source, notes, seed, alpha, resamples, permutations, main_text,
         stable_family, variable_family] = x;
  visit("tool_version", tool_version);
  visit("name", name);
  visit("title", title);
  visit("source", source);
  visit("notes", notes);
  visit("seed", seed);
  visit("alpha", alpha);
  visit("resamples", resamples);
  visit("permutations", permutations);
  visit("main_text", main_text);
  visit("stable_family", stable_family);
  visit("variable_family", variable_family);
}

template <class Visitor, Is<ExpectedFigure> T>
void fields(Visitor& visit, T& x) {
  auto& [quantity, family, lo, hi, source, note, ours_lo, ours_hi, ours_note] = x;
  visit("quantity", quantity);
  visit("family", family);
  visit("lo", lo);
  visit("hi", hi);
  visit("source", source);
  visit("note", note);
  visit("ours_lo", ours_lo);
  visit("ours_hi", ours_hi);
  visit("ours_note", ours_note);
}

template <class Visitor, Is<StudyBoundary> T>
void fields(Visitor& visit, T& x) {
  auto& [edge, depth, depth_interval_90, location_error] = x;
  visit("edge", edge);
  visit("depth", depth);
  visit("depth_interval_90", depth_interval_90);
  visit("location_error", location_error);
}

template <class Visitor, Is<StudySegment> T>
void fields(Visitor& visit, T& x) {
  auto& [segment, ln_kappa, ln_kappa_interval_90, ln_absolute, ln_absolute_interval_90, ln_rms_eff, ln_rms,
         ln_skip_kl, ln_beta] = x;
  visit("segment", segment);
  visit("ln_kappa", ln_kappa);
  visit("ln_kappa_interval_90", ln_kappa_interval_90);
  visit("ln_absolute", ln_absolute);
  visit("ln_absolute_interval_90", ln_absolute_interval_90);
  visit("ln_rms_eff", ln_rms_eff);
  visit("ln_rms", ln_rms);
  visit("ln_skip_kl", ln_skip_kl);
  visit("ln_beta", ln_beta);
}

template <class Visitor, Is<StudyMember> T>
void fields(Visitor& visit, T& x) {
  auto& [model, family, text, training, hub_id, revision, checkpoint_sha256, corpus_sha256, n_layers, hidden,
         parameters, detector, selected_k, verdict, forced, boundaries, segments, ln_kappa, ln_absolute,
         ln_skip_kl, ln_beta, note, forced_boundaries, forced_segments] = x;
  visit("model", model);
  visit("family", family);
  visit("text", text);
  visit("training", training);
  visit("hub_id", hub_id);
  visit("revision", revision);
  visit("checkpoint_sha256", checkpoint_sha256);
  visit("corpus_sha256", corpus_sha256);
  visit("n_layers", n_layers);
  visit("hidden", hidden);
  visit("parameters", parameters);
  visit("detector", detector);
  visit("selected_k", selected_k);
  visit("verdict", verdict);
  visit("forced", forced);
  visit("boundaries", boundaries);
  visit("segments", segments);
  visit("ln_kappa", ln_kappa);
  visit("ln_absolute", ln_absolute);
  visit("ln_skip_kl", ln_skip_kl);
  visit("ln_beta", ln_beta);
  visit("note", note);
  visit.optional("forced_boundaries", forced_boundaries);
  visit.optional("forced_segments", forced_segments);
}

template <class Visitor, Is<FamilyFigure> T>
void fields(Visitor& visit, T& x) {
  auto& [family, quantity, models, mean, sd, sd_interval_90, cv, location_error, sd_without_error,
         smooth_sd] = x;
  visit("family", family);
  visit("quantity", quantity);
  visit("models", models);
  visit("mean", mean);
  visit("sd", sd);
  visit("sd_interval_90", sd_interval_90);
  visit("cv", cv);
  visit("location_error", location_error);
  visit("sd_without_error", sd_without_error);
  visit("smooth_sd", smooth_sd);
}

template <class Visitor, Is<SpreadContrast> T>
void fields(Visitor& visit, T& x) {
  auto& [family, against, quantity, ln_sd_ratio, ln_sd_ratio_interval_90, p_value, labelings, smallest_p,
         brown_forsythe_f, brown_forsythe_p, note] = x;
  visit("family", family);
  visit("against", against);
  visit("quantity", quantity);
  visit("ln_sd_ratio", ln_sd_ratio);
  visit("ln_sd_ratio_interval_90", ln_sd_ratio_interval_90);
  visit("p_value", p_value);
  visit("labelings", labelings);
  visit("smallest_p", smallest_p);
  visit("brown_forsythe_f", brown_forsythe_f);
  visit("brown_forsythe_p", brown_forsythe_p);
  visit("note", note);
}

template <class Visitor, Is<SegmentGap> T>
void fields(Visitor& visit, T& x) {
  auto& [family, against, segment, models, models_against, ln_kappa, ln_kappa_interval_90, ln_absolute,
         ln_absolute_interval_90, scale, rms_scale, remainder, smallest_pair, largest_pair, reading, note] =
      x;
  visit("family", family);
  visit("against", against);
  visit("segment", segment);
  visit("models", models);
  visit("models_against", models_against);
  visit("ln_kappa", ln_kappa);
  visit("ln_kappa_interval_90", ln_kappa_interval_90);
  visit("ln_absolute", ln_absolute);
  visit("ln_absolute_interval_90", ln_absolute_interval_90);
  visit("scale", scale);
  visit("rms_scale", rms_scale);
  visit("remainder", remainder);
  visit("smallest_pair", smallest_pair);
  visit("largest_pair", largest_pair);
  visit("reading", reading);
  visit("note", note);
}

template <class Visitor, Is<VarianceShare> T>
void fields(Visitor& visit, T& x) {
  auto& [response, predictor, r2_first, p_first, r2_last, p_last, models, note] = x;
  visit("response", response);
  visit("predictor", predictor);
  visit("r2_first", r2_first);
  visit("p_first", p_first);
  visit("r2_last", r2_last);
  visit("p_last", p_last);
  visit("models", models);
  visit("note", note);
}

template <class Visitor, Is<Dominance> T>
void fields(Visitor& visit, T& x) {
  auto& [family, verdict, sd, r2_family, p_value, reason] = x;
  visit("family", family);
  visit("verdict", verdict);
  visit("sd", sd);
  visit("r2_family", r2_family);
  visit("p_value", p_value);
  visit("reason", reason);
}

template <class Visitor, Is<Quantity> T>
void fields(Visitor& visit, T& x) {
  auto& [name, unit, value, interval_90, note] = x;
  visit("name", name);
  visit("unit", unit);
  visit("value", value);
  visit("interval_90", interval_90);
  visit("note", note);
}

template <class Visitor, Is<Verdict> T>
void fields(Visitor& visit, T& x) {
  auto& [id, title, claim, statistic, null, region, refuted_by, set, outcome, tag, effect, effect_unit,
         effect_interval_90, claimed_region, claimed_outside, p_value, p_adjusted, smallest_p, models,
         models_needed, forced, reason, quantities, models_tested, models_selected, power] = x;
  visit("id", id);
  visit("title", title);
  visit("claim", claim);
  visit("statistic", statistic);
  visit("null", null);
  visit("region", region);
  visit("refuted_by", refuted_by);
  visit("set", set);
  visit("outcome", outcome);
  visit("tag", tag);
  visit("effect", effect);
  visit("effect_unit", effect_unit);
  visit("effect_interval_90", effect_interval_90);
  visit("claimed_region", claimed_region);
  visit.optional("claimed_outside", claimed_outside);
  visit("p_value", p_value);
  visit("p_adjusted", p_adjusted);
  visit("smallest_p", smallest_p);
  visit("models", models);
  visit("models_needed", models_needed);
  visit("forced", forced);
  visit("reason", reason);
  visit("quantities", quantities);
  visit.optional("models_tested", models_tested);
  visit.optional("models_selected", models_selected);
  visit.optional("power", power);
}

template <class Visitor, Is<ForcedSplits> T>
void fields(Visitor& visit, T& x) {
  auto& [families, gaps, distances] = x;
  visit("families", families);
  visit("gaps", gaps);
  visit("distances", distances);
}

template <class Visitor, Is<Study> T>
void fields(Visitor& visit, T& x) {
  auto& [study, members, expected, families, spreads, gaps, variance, dominance, verdicts, sentences,
         warnings, forced_splits] = x;
  visit("study", study);
  visit("members", members);
  visit("expected", expected);
  visit("families", families);
  visit("spreads", spreads);
  visit("gaps", gaps);
  visit("variance", variance);
  visit("dominance", dominance);
  visit("verdicts", verdicts);
  visit("sentences", sentences);
  visit("warnings", warnings);
  visit.optional("forced_splits", forced_splits);
}

}  // namespace strata::record_json

namespace strata {

inline constexpr Outcome kOutcomes[] = {Outcome::supported, Outcome::refuted, Outcome::undecided,
                                        Outcome::moot};
inline constexpr TestSet kTestSets[] = {TestSet::within_model, TestSet::between_model, TestSet::descriptive};
constexpr std::span<const Outcome> names_of(Outcome) {
  return kOutcomes;
}
constexpr std::span<const TestSet> names_of(TestSet) {
  return kTestSets;
}

}  // namespace strata
