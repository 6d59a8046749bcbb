#include "strata/theory/embedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/base/words.h"
#include "strata/theory/brittleness.h"
#include "strata/theory/kappa.h"

namespace strata {
namespace {

EmbeddingSensitivity sensitivity_of(const KappaEstimate& estimate) {
  return {.state = estimate.state,
          .value = estimate.kappa,
          .standard_error = estimate.standard_error,
          .strengths_used = estimate.strengths_used,
          .backward = estimate.fisher,
          .backward_error = estimate.fisher_error,
          .difference_z = estimate.difference_z,
          .absolute = estimate.absolute,
          .absolute_error = estimate.absolute_error,
          .absolute_backward = estimate.absolute_fisher,
          .absolute_backward_error = estimate.absolute_fisher_error,
          .estimator = estimate.estimator,
          .note = estimate.note};
}

SegmentEmbedding segment_of(const SegmentBrittleness& b) {
  return {.segment = b.segment,
          .forced = b.forced,
          .geometric = b.kappa_geometric,
          .arithmetic = b.kappa_arithmetic,
          .interval_90 = b.kappa_interval_90,
          .skip_distance = b.skip_kl_nats,
          .joint = b.kappa_joint,
          .joint_error = b.kappa_joint_error,
          .note = b.note};
}

KappaEstimate undefined_kappa(int state) {
  KappaEstimate estimate{.state = state,
                         .kappa = kUndefinedValue,
                         .standard_error = kUndefinedValue,
                         .critical_strength = kUndefinedValue};
  estimate.note = kNoHead;
  return estimate;
}

SegmentBrittleness undefined_brittleness(const SegmentBrittleness& of) {
  return {.segment = of.segment,
          .forced = of.forced,
          .kappa_geometric = kUndefinedValue,
          .kappa_arithmetic = kUndefinedValue,
          .kappa_interval_90 = {kUndefinedValue, kUndefinedValue},
          .skip_kl_nats = kUndefinedValue,
          .note = kNoHead};
}

std::string segment_words(const SegmentEmbedding& s) {
  const bool interval = std::isfinite(s.interval_90.lo) && std::isfinite(s.interval_90.hi);
  return fmt::format(
      "{} [{},{}) with {:.3g} ({})", s.segment.name, s.segment.begin, s.segment.end, s.geometric,
      interval ? fmt::format("90% interval {:.3g} to {:.3g}", s.interval_90.lo, s.interval_90.hi)
               : "interval undefined");
}

std::string segments_sentence(const Findings& findings) {
  std::vector<const SegmentEmbedding*> ranked;
  for (const SegmentEmbedding& s : findings.embedding_segments) {
    if (std::isfinite(s.geometric)) ranked.push_back(&s);
  }
  if (ranked.empty())
    return findings.embedding_segments.empty() ? "" : "The brittleness of the segments is undefined.";
  std::sort(ranked.begin(), ranked.end(),
            [](const auto* a, const auto* b) { return a->geometric > b->geometric; });
  const SegmentEmbedding &most = *ranked.front(), &least = *ranked.back();
  if (&most == &least) return fmt::format("Sensitivity of the embedding: {}.", segment_words(most));
  const bool overlap = most.interval_90.lo <= least.interval_90.hi;
  return fmt::format(
      "Small noise relative to each token's RMS moves the embedding most in segment{} {}, least in {}: a "
      "ratio "
      "of {:.3g}{}.",
      most.forced ? " (forced split)" : "", segment_words(most), segment_words(least),
      most.geometric / least.geometric, overlap ? " (their intervals overlap)" : "");
}

std::string layers_sentence(const Trace& trace, const Findings& findings) {
  std::vector<const EmbeddingSensitivity*> ranked;
  for (const EmbeddingSensitivity& e : findings.embedding) {
    if (std::isfinite(e.value)) ranked.push_back(&e);
  }
  if (ranked.empty()) {
    if (findings.embedding.empty()) return "";
    return fmt::format("The sensitivity of the embedding is undefined: {}.", findings.embedding.front().note);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto* a, const auto* b) { return a->value > b->value; });
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min<std::size_t>(2, ranked.size()); ++i) {
    const EmbeddingSensitivity& e = *ranked[i];
    parts.push_back(fmt::format(
        "{} (sensitivity {:.3g}{})",
        e.state == trace.n_layers() ? "the output of the last block"
                                    : fmt::format("the input of block {}", e.state),
        e.value,
        std::isfinite(e.standard_error) ? fmt::format(", standard error {:.2g}", e.standard_error) : ""));
  }
  return fmt::format("The most brittle place{} {} {}.", parts.size() == 1 ? "" : "s",
                     parts.size() == 1 ? "is" : "are", enumerated(parts));
}

}  // namespace

void add_embedding_brittleness(const Trace& trace, std::uint64_t seed, Findings& findings) {
  const std::vector<KappaEstimate> estimates = estimate_kappa(trace);
  const std::vector<SegmentBrittleness> segments =
      segment_brittleness(trace, findings.segments, estimates,
                          {.seed = seed, .forced_segments = findings.segments_forced, .splits = {}});
  for (const KappaEstimate& estimate : estimates) {
    findings.embedding.push_back(sensitivity_of(estimate));
    findings.kappa.push_back(undefined_kappa(estimate.state));
  }
  for (const SegmentBrittleness& b : segments) {
    findings.embedding_segments.push_back(segment_of(b));
    findings.brittleness.push_back(undefined_brittleness(b));
  }
}

std::vector<std::string> embedding_sentences(const Trace& trace, const Findings& findings) {
  std::vector<std::string> out{fmt::format(
      "The model has no head, so that what is read from predictions (loss, logit lens, KL, kappa) is "
      "undefined. Brittleness is the distance, 1 - cosine, by which its embedding moves: {}.",
      trace.model.pooling)};
  for (std::string sentence : {segments_sentence(findings), layers_sentence(trace, findings)}) {
    if (!sentence.empty()) out.push_back(std::move(sentence));
  }
  return out;
}

}  // namespace strata
