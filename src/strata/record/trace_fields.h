// The keys of what was measured in results.json; see fields.h.
#pragma once

#include <concepts>
#include <type_traits>

#include "strata/record/trace.h"

namespace strata::record_json {

template <class T, class Struct>
concept Is = std::same_as<std::remove_const_t<T>, Struct>;

template <class Visitor, Is<RunCard> T>
void fields(Visitor& visit, T& x) {
  auto& [tool_version, seed, context, compute_dtype, bos_policy, corpus_name, corpus_sha256, tokenizer_sha256,
         positions, lane_tokens, lens_positions, surrogates, replicates, noise_floor_nats,
         noise_floor_distance, device, effort] = x;
  visit("tool_version", tool_version);
  visit("seed", seed);
  visit("context", context);
  visit("compute_dtype", compute_dtype);
  visit.optional("device", device);
  visit.unless_empty("effort", effort);
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
  visit.unless_empty("noise_floor_distance", noise_floor_distance);
}

template <class Visitor, Is<ModelCard> T>
void fields(Visitor& visit, T& x) {
  auto& [name, hub_id, revision, family, architecture, n_layers, hidden, ffn, heads, kv_heads, head_dim,
         vocab, max_context, rope_theta, rope_scaling, norm_eps, tied_embeddings, qkv_bias, qk_norm,
         parameters, embedding_parameters, block_parameters, weight_dtype, checkpoint_sha256,
         checkpoint_digest_kind, no_head, pooling] = x;
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
  visit.unless_empty("no_head", no_head);
  visit.unless_empty("pooling", pooling);
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
  auto& [tokens, scale, value, replicates, n_tokens, n_batches, note] = x;
  visit("tokens", tokens);
  visit.optional("scale", scale);
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
         delta_nll_nats, top1_agreement, embedding_distance, note, documents, sampling_error] = x;
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
  visit.unless_empty("embedding_distance", embedding_distance);
  visit.unless_empty("note", note);
  visit.unless_empty("documents", documents);
  visit.unless_empty("sampling_error", sampling_error);
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

template <class Visitor, Is<MaskCount> T>
void fields(Visitor& visit, T& x) {
  auto& [ratio, tokens] = x;
  visit("ratio", ratio);
  visit("tokens", tokens);
}

template <class Visitor, Is<SinkPath> T>
void fields(Visitor& visit, T& x) {
  auto& [first_position, token_id, text, tokens, of, length, ratio, massive, dimension] = x;
  visit("first_position", first_position);
  visit("token_id", token_id);
  visit("text", text);
  visit("tokens", tokens);
  visit("of", of);
  visit("length", length);
  visit("ratio", ratio);
  visit("massive", massive);
  visit("dimension", dimension);
}

template <class Visitor, Is<CarrierWord> T>
void fields(Visitor& visit, T& x) {
  auto& [token_id, text, occurrences, count, share] = x;
  visit("token_id", token_id);
  visit("text", text);
  visit("occurrences", occurrences);
  visit("count", count);
  visit("share", share);
}

template <class Visitor, Is<CarrierDirection> T>
void fields(Visitor& visit, T& x) {
  auto& [dimension, alignment, share, few_tokens, few_size, words] = x;
  visit("dimension", dimension);
  visit("alignment", alignment);
  visit("share", share);
  visit("few_tokens", few_tokens);
  visit("few_size", few_size);
  visit("words", words);
}

template <class Visitor, Is<StateCarrier> T>
void fields(Visitor& visit, T& x) {
  auto& [state, tokens, n_tokens, top_token_energy, dimension, component] = x;
  visit("state", state);
  visit("tokens", tokens);
  visit("n_tokens", n_tokens);
  visit("top_token_energy", top_token_energy);
  visit("dimension", dimension);
  visit("component", component);
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

}  // namespace strata::record_json
