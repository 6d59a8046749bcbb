// The keys of results.json: one list per struct, shared by the writer and the reader, so that the two
// cannot drift apart. A visitor is called as visit("key", member) in the order of the file; `optional`
// is for keys that files written before the member existed may lack.
//
// The structured bindings are deliberate: a member added to a struct and not listed here does not compile.
#pragma once

#include <concepts>
#include <span>
#include <type_traits>

#include "strata/record/run_directory.h"

namespace strata::record_json {

template <class T, class Struct>
concept Is = std::same_as<std::remove_const_t<T>, Struct>;

template <class Visitor, Is<Interval> T>
void fields(Visitor& visit, T& x) {
  auto& [lo, hi] = x;
  visit("lo", lo);
  visit("hi", hi);
}

template <class Visitor, Is<RunCard> T>
void fields(Visitor& visit, T& x) {
  auto& [tool_version, seed, context, compute_dtype, bos_policy, corpus_name, corpus_sha256, tokenizer_sha256,
         positions, lane_tokens, lens_positions, surrogates, replicates, noise_floor_nats, device] = x;
  visit("tool_version", tool_version);
  visit("seed", seed);
  visit("context", context);
  visit("compute_dtype", compute_dtype);
  visit.optional("device", device);
  visit("bos_policy", bos_policy);
  visit("corpus_name", corpus_name);
  visit("corpus_sha256", corpus_sha256);
  visit("tokenizer_sha256", tokenizer_sha256);
  visit("positions", positions);
  visit("lane_tokens", lane_tokens);
  visit("lens_positions", lens_positions);
  visit("surrogates", surrogates);
  visit("replicates", replicates);
  visit.optional("noise_floor_nats", noise_floor_nats);
}

template <class Visitor, Is<ModelCard> T>
void fields(Visitor& visit, T& x) {
  auto& [name, hub_id, revision, family, architecture, n_layers, hidden, ffn, heads, kv_heads, head_dim,
         vocab, max_context, rope_theta, rope_scaling, norm_eps, tied_embeddings, qkv_bias, qk_norm,
         parameters, embedding_parameters, block_parameters, weight_dtype, checkpoint_sha256,
         checkpoint_digest_kind] = x;
  visit("name", name);
  visit.optional("hub_id", hub_id);
  visit.optional("revision", revision);
  visit("family", family);
  visit("architecture", architecture);
  visit("n_layers", n_layers);
  visit("hidden", hidden);
  visit("ffn", ffn);
  visit("heads", heads);
  visit("kv_heads", kv_heads);
  visit("head_dim", head_dim);
  visit("vocab", vocab);
  visit("max_context", max_context);
  visit("rope_theta", rope_theta);
  visit("rope_scaling", rope_scaling);
  visit("norm_eps", norm_eps);
  visit("tied_embeddings", tied_embeddings);
  visit("qkv_bias", qkv_bias);
  visit("qk_norm", qk_norm);
  visit("parameters", parameters);
  visit("embedding_parameters", embedding_parameters);
  visit("block_parameters", block_parameters);
  visit("weight_dtype", weight_dtype);
  visit("checkpoint_sha256", checkpoint_sha256);
  visit.optional("checkpoint_digest_kind", checkpoint_digest_kind);
}

template <class Visitor, Is<Document> T>
void fields(Visitor& visit, T& x) {
  auto& [name, bytes, tokens, scored, windows, dropped_tokens, nll_nats, lane_tokens, lane_bytes] = x;
  visit("name", name);
  visit("bytes", bytes);
  visit("tokens", tokens);
  visit("scored", scored);
  visit("windows", windows);
  visit("dropped_tokens", dropped_tokens);
  visit("nll_nats", nll_nats);
  visit("lane_tokens", lane_tokens);
  visit.optional("lane_bytes", lane_bytes);
}

template <class Visitor, Is<Series> T>
void fields(Visitor& visit, T& x) {
  auto& [id, unit, axis, group, tokens, by_doc, weight, joint, joint_error, note] = x;
  visit("id", id);
  visit("unit", unit);
  visit("axis", axis);
  visit("group", group);
  visit("tokens", tokens);
  visit("note", note);
  visit.derived("mean", [&] { return mean_over_documents(x); });
  visit.derived("standard_error", [&] { return standard_error(x); });
  visit("joint", joint);
  visit("joint_error", joint_error);
  visit("weight", weight);
  visit("by_doc", by_doc);
}

template <class Visitor, Is<CkaRecord> T>
void fields(Visitor& visit, T& x) {
  auto& [tokens, value, replicates, n_tokens, n_batches, note] = x;
  visit("tokens", tokens);
  visit("n_tokens", n_tokens);
  visit("n_batches", n_batches);
  visit("note", note);
  visit("value", value);
  visit.count("n_replicates", replicates);  // the matrices themselves are in arrays.npz
}

template <class Visitor, Is<SpectrumRecord> T>
void fields(Visitor& visit, T& x) {
  auto& [tokens, width, n_tokens, probes, shrinkage, entries, value, multiplicity, note] = x;
  visit("tokens", tokens);
  visit("width", width);
  visit("n_tokens", n_tokens);
  visit("probes", probes);
  visit("note", note);
  visit("shrinkage", shrinkage);
  visit("entries", entries);  // the matrices themselves are in arrays.npz
}

template <class Visitor, Is<DoseCurve> T>
void fields(Visitor& visit, T& x) {
  auto& [intervention, site, strength_unit, axis, place, span, head, continuous, strength, kl_nats,
         delta_nll_nats, top1_agreement] = x;
  visit("intervention", intervention);
  visit("site", site);
  visit("strength_unit", strength_unit);
  visit("axis", axis);
  visit("place", place);
  visit("span", span);
  visit.optional("head", head);
  visit.optional("continuous", continuous);
  visit("strength", strength);
  visit("kl_nats", kl_nats);
  visit("delta_nll_nats", delta_nll_nats);
  visit.optional("top1_agreement", top1_agreement);
}

template <class Visitor, Is<BottleneckPoint> T>
void fields(Visitor& visit, T& x) {
  auto& [beta, rate_nats, rate_error, distortion_nats, distortion_error, start_strength, start_rate_nats,
         start_distortion_nats] = x;
  visit("beta", beta);
  visit("rate_nats", rate_nats);
  visit("rate_error", rate_error);
  visit("distortion_nats", distortion_nats);
  visit("distortion_error", distortion_error);
  visit("start_strength", start_strength);
  visit("start_rate_nats", start_rate_nats);
  visit("start_distortion_nats", start_distortion_nats);
}

template <class Visitor, Is<BottleneckCurve> T>
void fields(Visitor& visit, T& x) {
  auto& [state, train_tokens, held_out_tokens, steps, hidden, points] = x;
  visit("state", state);
  visit("train_tokens", train_tokens);
  visit("held_out_tokens", held_out_tokens);
  visit("steps", steps);
  visit("hidden", hidden);
  visit("points", points);
}

template <class Visitor, Is<SinkToken> T>
void fields(Visitor& visit, T& x) {
  auto& [document, window, position, token_id, text, onset_state, offset_state, dimension, peak_ratio] = x;
  visit("document", document);
  visit("window", window);
  visit("position", position);
  visit("token_id", token_id);
  visit("text", text);
  visit("onset_state", onset_state);
  visit("offset_state", offset_state);
  visit("dimension", dimension);
  visit("peak_ratio", peak_ratio);
}

template <class Visitor, Is<LensRow> T>
void fields(Visitor& visit, T& x) {
  auto& [token_id, probability] = x;
  visit("token_id", token_id);
  visit("probability", probability);
}

template <class Visitor, Is<TokenText> T>
void fields(Visitor& visit, T& x) {
  auto& [id, text] = x;
  visit("id", id);
  visit("text", text);
}

template <class Visitor, Is<LensPassage> T>
void fields(Visitor& visit, T& x) {
  auto& [document, window, token_id, rows, vocabulary] = x;
  visit("document", document);
  visit("window", window);
  visit("token_id", token_id);
  visit("rows", rows);
  visit("vocabulary", vocabulary);
}

template <class Visitor, Is<CountTest> T>
void fields(Visitor& visit, T& x) {
  auto& [k_null, null_model, statistic, p_value, p_mc_error, null_sample] = x;
  visit("k_null", k_null);
  visit("null_model", null_model);
  visit("statistic", statistic);
  visit("p_value", p_value);
  visit("p_mc_error", p_mc_error);
  visit("null_sample", null_sample);
}

template <class Visitor, Is<ModelFit> T>
void fields(Visitor& visit, T& x) {
  auto& [k, name, edges, sse, bic_ar1, leave_one_out] = x;
  visit("k", k);
  visit("name", name);
  visit("edges", edges);
  visit("sse", sse);
  visit("bic_ar1", bic_ar1);
  visit("leave_one_out", leave_one_out);
}

template <class Visitor, Is<EdgeEstimate> T>
void fields(Visitor& visit, T& x) {
  auto& [edge, interval_90, modal_share, histogram] = x;
  visit("edge", edge);
  visit("interval_90", interval_90);
  visit("modal_share", modal_share);
  visit("histogram", histogram);
}

template <class Visitor, Is<Detection> T>
void fields(Visitor& visit, T& x) {
  auto& [detector, tokens, defined, note, verdict, selected_k, boundaries, forced_two, tests, fits,
         k_stability, used_signals, left_out] = x;
  visit("detector", detector);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("verdict", verdict);
  visit("selected_k", selected_k);
  visit("boundaries", boundaries);
  visit("forced_two", forced_two);
  visit("tests", tests);
  visit("fits", fits);
  visit("k_stability", k_stability);
  visit("used_signals", used_signals);
  visit("left_out", left_out);
}

template <class Visitor, Is<Reproduction> T>
void fields(Visitor& visit, T& x) {
  auto& [rule, tokens, defined, note, edges, difference, threshold] = x;
  visit("rule", rule);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("edges", edges);
  visit("difference", difference);
  visit("threshold", threshold);
}

template <class Visitor, Is<GroupLeftOut> T>
void fields(Visitor& visit, T& x) {
  auto& [group, tokens, defined, note, verdict, selected_k, edges, forced_two] = x;
  visit("group", group);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("verdict", verdict);
  visit("selected_k", selected_k);
  visit("edges", edges);
  visit("forced_two", forced_two);
}

template <class Visitor, Is<Agreement> T>
void fields(Visitor& visit, T& x) {
  auto& [tokens, detectors, distance, note] = x;
  visit("tokens", tokens);
  visit("detectors", detectors);
  visit("distance", distance);
  visit("note", note);
}

template <class Visitor, Is<RandomTwins> T>
void fields(Visitor& visit, T& x) {
  auto& [detector, tokens, defined, note, observed, statistic, selected_k, verdict, forced_two, rank,
         p_value] = x;
  visit("detector", detector);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("observed", observed);
  visit("statistic", statistic);
  visit("selected_k", selected_k);
  visit("verdict", verdict);
  visit("forced_two", forced_two);
  visit("rank", rank);
  visit("p_value", p_value);
}

template <class Visitor, Is<Segment> T>
void fields(Visitor& visit, T& x) {
  auto& [name, begin, end] = x;
  visit("name", name);
  visit("begin", begin);
  visit("end", end);
}

template <class Visitor, Is<KappaEstimate> T>
void fields(Visitor& visit, T& x) {
  auto& [state, kappa, standard_error, strengths_used, critical_strength, critical_error, fisher,
         fisher_error, difference_z, nll, nll_error, absolute_fisher, absolute_fisher_error, absolute,
         absolute_error, absolute_nll, absolute_nll_error, note] = x;
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

template <class Visitor, Is<Findings> T>
void fields(Visitor& visit, T& x) {
  auto& [detections, reproductions, groups_left_out, agreement, random_twins, headline, segments,
         segments_forced, kappa, splits, doses, brittleness, rate_distortion, segment_rate_distortion,
         sentences] = x;
  visit("sentences", sentences);
  visit("segments", segments);
  visit("segments_forced", segments_forced);
  visit("headline", headline);
  visit("detections", detections);
  visit.optional("reproductions", reproductions);
  visit.optional("groups_left_out", groups_left_out);
  visit.optional("agreement", agreement);
  visit.optional("random_twins", random_twins);
  visit("kappa", kappa);
  visit.optional("splits", splits);
  visit.optional("doses", doses);
  visit("brittleness", brittleness);
  visit.optional("rate_distortion", rate_distortion);
  visit.optional("segment_rate_distortion", segment_rate_distortion);
}

/// The top level of the file, after "schema_version".
template <class Visitor, Is<Run> T>
void fields(Visitor& visit, T& x) {
  auto& [trace, findings] = x;
  auto& [run, model, documents, series, cka, spectra, curves, bottlenecks, sinks, lens_passages, n_massive,
         n_tokens, warnings] = trace;
  visit("run", run);
  visit("model", model);
  visit("warnings", warnings);
  visit("findings", findings);
  visit("documents", documents);
  visit("n_tokens", n_tokens);
  visit("n_massive", n_massive);
  visit("sinks", sinks);
  visit.optional("lens_passages", lens_passages);
  visit("series", series);
  visit("cka", cka);
  visit.optional("spectra", spectra);
  visit("curves", curves);
  visit.optional("bottlenecks", bottlenecks);
}

}  // namespace strata::record_json

namespace strata {

inline constexpr Axis kAxes[] = {Axis::state, Axis::block, Axis::edge};
inline constexpr TokenSet kTokenSets[] = {TokenSet::ordinary, TokenSet::all};
inline constexpr Group kGroups[] = {Group::attention, Group::representation, Group::information,
                                    Group::output, Group::control};

/// The values that a file may name.
constexpr std::span<const Axis> names_of(Axis) {
  return kAxes;
}
constexpr std::span<const TokenSet> names_of(TokenSet) {
  return kTokenSets;
}
constexpr std::span<const Group> names_of(Group) {
  return kGroups;
}

}  // namespace strata
