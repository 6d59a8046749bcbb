// The keys of divergence.json, as fields.h lists those of results.json. A member added to a struct and not
// listed here does not compile.
#pragma once

#include <span>

#include "strata/record/divergence.h"
#include "strata/record/fields.h"

namespace strata::record_json {

template <class Visitor, Is<DivergenceCard> T>
void fields(Visitor& visit, T& x) {
  auto& [tool_version, seed, context, compute_dtype, bos_policy, corpus_name, corpus_sha256, tokenizer_sha256,
         lane_tokens] = x;
  visit("tool_version", tool_version);
  visit("seed", seed);
  visit("context", context);
  visit("compute_dtype", compute_dtype);
  visit("bos_policy", bos_policy);
  visit("corpus_name", corpus_name);
  visit("corpus_sha256", corpus_sha256);
  visit("tokenizer_sha256", tokenizer_sha256);
  visit("lane_tokens", lane_tokens);
}

inline constexpr Part kParts[] = {Part::everything, Part::embedding, Part::block, Part::head};
constexpr std::span<const Part> names_of(Part) {
  return kParts;
}

template <class Visitor, Is<DivergenceDocument> T>
void fields(Visitor& visit, T& x) {
  auto& [name, tokens, ordinary, scored, windows, nll_original_nats, nll_other_nats, kl_nats, same_top,
         lane_scored] = x;
  visit("name", name);
  visit("tokens", tokens);
  visit("ordinary", ordinary);
  visit("scored", scored);
  visit("windows", windows);
  visit("nll_original_nats", nll_original_nats);
  visit("nll_other_nats", nll_other_nats);
  visit("kl_nats", kl_nats);
  visit("same_top", same_top);
  visit("lane_scored", lane_scored);
}

template <class Visitor, Is<Substitution> T>
void fields(Visitor& visit, T& x) {
  auto& [part, block, kl_nats, delta_nll_nats] = x;
  visit("part", part);
  visit("block", block);
  visit("kl_nats", kl_nats);
  visit("delta_nll_nats", delta_nll_nats);
}

template <class Visitor, Is<Estimate> T>
void fields(Visitor& visit, T& x) {
  auto& [mean, standard_error, interval_90] = x;
  visit("mean", mean);
  visit("standard_error", standard_error);
  visit("interval_90", interval_90);
}

template <class Visitor, Is<PartDamage> T>
void fields(Visitor& visit, T& x) {
  auto& [part, block, kl_nats, delta_nll_nats, share, rank] = x;
  visit("part", part);
  visit("block", block);
  visit("kl_nats", kl_nats);
  visit("delta_nll_nats", delta_nll_nats);
  visit("share", share);
  visit("rank", rank);
}

template <class Visitor, Is<DivergenceFindings> T>
void fields(Visitor& visit, T& x) {
  auto& [identical, threshold, begins_at_state, first_difference, kl_nats, delta_nll_nats, same_top,
         perplexity_original, perplexity_other, relative_difference, relative_difference_all, cosine_distance,
         cosine_distance_all, local_error, local_error_all, parts, lane_kl_nats, sum_of_parts_nats,
         additivity, sentences] = x;
  visit("sentences", sentences);
  visit("identical", identical);
  visit("threshold", threshold);
  visit("begins_at_state", begins_at_state);
  visit("first_difference", first_difference);
  visit("kl_nats", kl_nats);
  visit("delta_nll_nats", delta_nll_nats);
  visit("same_top", same_top);
  visit("perplexity_original", perplexity_original);
  visit("perplexity_other", perplexity_other);
  visit("lane_kl_nats", lane_kl_nats);
  visit("sum_of_parts_nats", sum_of_parts_nats);
  visit("additivity", additivity);
  visit("parts", parts);
  visit("relative_difference", relative_difference);
  visit("relative_difference_all", relative_difference_all);
  visit("cosine_distance", cosine_distance);
  visit("cosine_distance_all", cosine_distance_all);
  visit("local_error", local_error);
  visit("local_error_all", local_error_all);
}

template <class Visitor, Is<DivergenceRecord> T>
void fields(Visitor& visit, T& x) {
  auto& [run, original, other, documents, series, differing_tokens, differing_logits, substitutions,
         weight_correlation, warnings, findings] = x;
  visit("run", run);
  visit("original", original);
  visit("other", other);
  visit("warnings", warnings);
  visit.optional("weight_correlation", weight_correlation);
  visit("findings", findings);
  visit("documents", documents);
  visit("differing_tokens", differing_tokens);
  visit("differing_logits", differing_logits);
  visit("substitutions", substitutions);
  visit("series", series);
}

}  // namespace strata::record_json
