// The record of a comparison of two twins, models of one depth, width and vocabulary: what was measured, per
// document, and what follows from it. Definitions and units: docs/compare.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

inline constexpr int kDivergenceSchemaVersion = 1;

/// What was asked for; with the digests of both models it decides every number.
struct DivergenceCard {
  std::string tool_version;
  std::uint64_t seed = 0;
  int context = 0;
  std::string compute_dtype;  ///< "float32"
  std::string bos_policy;     ///< in words
  std::string corpus_name;
  std::string corpus_sha256;
  std::string tokenizer_sha256;  ///< of the original's; empty when ids were given
  std::int64_t lane_tokens = 0;  ///< --lane-tokens
};

/// One document on both models.
struct DivergenceDocument {
  std::string name;
  std::int64_t tokens = 0;    ///< in windows
  std::int64_t ordinary = 0;  ///< of them, those that are no sink tokens of the original
  std::int64_t scored = 0;    ///< positions whose next token is in the same window
  int windows = 0;
  double nll_original_nats = 0.0;  ///< mean next-token NLL over the scored positions
  double nll_other_nats = 0.0;
  double kl_nats = 0.0;          ///< mean KL(original || other) over the scored positions
  double same_top = 0.0;         ///< share of scored positions with the same most likely token
  std::int64_t lane_scored = 0;  ///< scored positions in the substitution lanes (0 = not in their sample)
};

/// Which part of the network a lane takes from the other model.
enum class Part { everything, embedding, block, head };
[[nodiscard]] const char* to_string(Part part);

/// The original with one part taken from the other model.
struct Substitution {
  Part part = Part::block;
  int block = -1;                      ///< of Part::block
  std::vector<double> kl_nats;         ///< per document: mean KL(original || substituted); NaN = no lane
  std::vector<double> delta_nll_nats;  ///< per document: mean change of the next token's NLL
};

/// Mean over documents with its standard error and the 90% interval mean -+ t se; NaN with one document.
struct Estimate {
  double mean = 0.0;
  double standard_error = 0.0;
  Interval interval_90;
};

struct PartDamage {
  Part part = Part::block;
  int block = -1;
  Estimate kl_nats, delta_nll_nats;
  double share = 0.0;  ///< of the sum of all parts' mean KL; NaN where that is 0
  int rank = 0;        ///< 1 = the largest mean KL; equal values in the order of depth
};

struct DivergenceFindings {
  bool identical = false;  ///< no state and no logit differs in any bit
  double threshold = 0.0;  ///< --threshold
  int begins_at_state =
      -1;  ///< first state whose relative difference exceeds it, at 95% confidence; -1 = none
  int first_difference = -1;  ///< first state at which any bit differs; -1 = none
  Estimate kl_nats, delta_nll_nats, same_top;
  double perplexity_original = 0.0, perplexity_other = 0.0;
  std::vector<Estimate> relative_difference;      ///< states 0..L, ordinary tokens
  std::vector<Estimate> relative_difference_all;  ///< all tokens
  std::vector<Estimate> cosine_distance, cosine_distance_all;
  std::vector<Estimate> local_error, local_error_all;  ///< blocks 0..L-1
  std::vector<PartDamage> parts;                       ///< embedding, blocks, head
  Estimate lane_kl_nats;                               ///< everything substituted, on the lanes' tokens
  double sum_of_parts_nats = 0.0;
  Estimate additivity;  ///< sum of the parts' KL over that of everything; NaN where that is 0
  std::vector<std::string> sentences;
};

struct DivergenceRecord {
  DivergenceCard run;
  ModelCard original, other;
  std::vector<DivergenceDocument> documents;
  std::vector<Series> series;  ///< relative_difference, cosine_distance (states), local_error (blocks)
  std::vector<std::int64_t> differing_tokens;  ///< per state: tokens whose states differ in any bit
  std::int64_t differing_logits = 0;           ///< scored positions whose logits differ in any bit
  std::vector<Substitution> substitutions;     ///< everything, embedding, blocks, head
  double weight_correlation =
      kUndefinedValue;  ///< median over matrices of three blocks; NaN in older records
  std::vector<std::string> warnings;
  DivergenceFindings findings;

  [[nodiscard]] int n_layers() const { return original.n_layers; }
};

[[nodiscard]] const Series* find_series(const DivergenceRecord& record, std::string_view id, TokenSet tokens);

/// divergence.json as text: versioned schema, stable key order, no timings, no NaN literal.
[[nodiscard]] std::string divergence_json(const DivergenceRecord& record);
/// The tidy table: axis, place, measure, tokens, unit, mean, se, lo_90, hi_90; one header line.
[[nodiscard]] std::string divergence_csv(const DivergenceRecord& record);
/// Parses divergence.json. Throws as parse_results_json does.
[[nodiscard]] DivergenceRecord parse_divergence_json(const std::string& text, const std::string& where);
[[nodiscard]] DivergenceRecord read_divergence(const std::filesystem::path& directory);
/// Writes divergence.csv and divergence.json by atomic rename. Throws Error(run_failed).
void write_divergence(const std::filesystem::path& directory, const DivergenceRecord& record);

}  // namespace strata
