#include "strata/theory/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "strata/base/words.h"
#include "strata/theory/boundary_sentences.h"
#include "strata/theory/brittleness.h"
#include "strata/theory/carriers.h"
#include "strata/theory/embedding.h"
#include "strata/theory/null_profile.h"

namespace strata {
namespace {

using Sentences = std::vector<std::string>;

std::string show_brittleness(const SegmentBrittleness& b) {
  const bool interval = std::isfinite(b.kappa_interval_90.lo) && std::isfinite(b.kappa_interval_90.hi);
  return fmt::format(
      "{} [{},{}) with kappa {:.3g} nats ({})", b.segment.name, b.segment.begin, b.segment.end,
      b.kappa_geometric,
      interval ? fmt::format("90% interval {:.3g} to {:.3g}", b.kappa_interval_90.lo, b.kappa_interval_90.hi)
               : "interval undefined");
}

void add_segment_brittleness(const Findings& findings, Sentences& out) {
  std::vector<const SegmentBrittleness*> ranked;
  for (const SegmentBrittleness& b : findings.brittleness) {
    if (std::isfinite(b.kappa_geometric)) ranked.push_back(&b);
  }
  if (ranked.empty()) {
    if (!findings.brittleness.empty()) out.emplace_back("The brittleness of the segments is undefined.");
    return;
  }
  std::sort(ranked.begin(), ranked.end(),
            [](const auto* a, const auto* b) { return a->kappa_geometric > b->kappa_geometric; });
  const SegmentBrittleness& most = *ranked.front();
  const std::string forced = most.forced ? " of the forced split" : "";
  if (ranked.size() == 1) {
    out.push_back(fmt::format("Brittleness, for small noise relative to each token's RMS: {}.",
                              show_brittleness(most)));
    return;
  }
  const SegmentBrittleness& least = *ranked.back();
  const bool overlap = most.kappa_interval_90.lo <= least.kappa_interval_90.hi;
  out.push_back(
      fmt::format("To small noise relative to each token's RMS the most brittle segment{} is {}, the least "
                  "brittle is {}: a ratio of {:.3g}{}.",
                  forced, show_brittleness(most), show_brittleness(least),
                  most.kappa_geometric / least.kappa_geometric, overlap ? " (their intervals overlap)" : ""));
}

std::string state_name(int state, int n_layers) {
  return state == n_layers ? "the output of the last block" : fmt::format("the input of block {}", state);
}

void add_brittle_layers(const Trace& trace, const Findings& findings, Sentences& out) {
  std::vector<const KappaEstimate*> ranked;
  for (const KappaEstimate& k : findings.kappa) {
    if (std::isfinite(k.kappa)) ranked.push_back(&k);
  }
  const std::size_t undefined = findings.kappa.size() - ranked.size();
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto* a, const auto* b) { return a->kappa > b->kappa; });
  if (!ranked.empty()) {
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < std::min<std::size_t>(2, ranked.size()); ++i) {
      const KappaEstimate& k = *ranked[i];
      const std::string error =
          std::isfinite(k.standard_error) ? fmt::format(", standard error {:.2g}", k.standard_error) : "";
      parts.push_back(
          fmt::format("{} (kappa {:.3g} nats{})", state_name(k.state, trace.n_layers()), k.kappa, error));
    }
    out.push_back(fmt::format("The most brittle place{} {} {}.", parts.size() == 1 ? "" : "s",
                              parts.size() == 1 ? "is" : "are", enumerated(parts)));
  }
  const auto backward = static_cast<std::size_t>(std::count_if(
      ranked.begin(), ranked.end(), [](const KappaEstimate* k) { return k->estimator == "backward"; }));
  if (backward > 0) {
    const std::string where =
        backward == ranked.size() ? "every state" : fmt::format("{} of {} states", backward, ranked.size());
    std::vector<const KappaEstimate*> checked;
    for (const KappaEstimate* k : ranked) {
      if (std::isfinite(k->check) && std::isfinite(k->difference_z)) checked.push_back(k);
    }
    if (checked.empty()) {
      out.push_back(
          fmt::format("Kappa is the backward sweep's at {}: no noise lanes were run there.", where));
    } else {
      const auto* worst = *std::max_element(checked.begin(), checked.end(), [](const auto* a, const auto* b) {
        return std::fabs(a->difference_z) < std::fabs(b->difference_z);
      });
      out.push_back(
          fmt::format("Kappa is the backward sweep's at {}; noise lanes check it at {}, at most {:.1f} "
                      "standard errors away.",
                      where, counted(checked.size(), "state"), std::fabs(worst->difference_z)));
    }
  }
  if (undefined == 0) return;
  const auto first = std::find_if(findings.kappa.begin(), findings.kappa.end(),
                                  [](const KappaEstimate& k) { return !std::isfinite(k.kappa); });
  out.push_back(fmt::format("Kappa is undefined for {} of {} states; at {}: {}.", undefined,
                            findings.kappa.size(), state_name(first->state, trace.n_layers()),
                            first->note.empty() ? "no reason recorded" : first->note));
}

void add_documents(const Trace& trace, Sentences& out) {
  const std::size_t documents = trace.documents.size();
  const auto lanes = static_cast<std::size_t>(std::count_if(
      trace.documents.begin(), trace.documents.end(), [](const Document& d) { return d.lane_tokens > 0; }));
  const auto few = static_cast<std::size_t>(kFewDocuments);
  if (documents < few) {
    out.push_back(
        fmt::format("The text has only {}: intervals over fewer than {} documents are wide and unreliable.",
                    counted(documents, "document"), kFewDocuments));
  } else if (lanes > 0 && lanes < few) {
    out.push_back(fmt::format("Brittleness was measured on only {}: its intervals are unreliable below {}.",
                              counted(lanes, "document"), kFewDocuments));
  }
}

void add_massive(const Trace& trace, Sentences& out) {
  if (trace.n_massive == 0) {
    out.emplace_back("No token beyond the first of each window has massive activations.");
    return;
  }
  out.push_back(
      fmt::format("Massive activations occur at {} beyond the first of each window (of {} tokens in all), "
                  "left out wherever it says \"without sink tokens\".",
                  counted(static_cast<std::uint64_t>(trace.n_massive), "token"), trace.n_tokens));
  if (trace.sinks.empty()) return;
  const SinkToken& sink = trace.sinks.front();
  out.push_back(
      fmt::format("The largest is \"{}\" (document {}, window {}, position {}): {:.3g} times the median "
                  "token of its document, massive from state {} to state {}.",
                  sink.text, sink.document, sink.window, sink.position, sink.peak_ratio, sink.onset_state,
                  sink.offset_state));
}

}  // namespace

Sentences brittleness_sentences(const Trace& trace, const Findings& findings) {
  if (!trace.model.has_head()) return embedding_sentences(trace, findings);
  Sentences out;
  add_segment_brittleness(findings, out);
  add_brittle_layers(trace, findings, out);
  return out;
}

Sentences headline_sentences(const Trace& trace, const Findings& findings) {
  Sentences out = boundary_sentences(trace, findings);
  for (std::string& sentence : null_sentences(findings)) out.push_back(std::move(sentence));
  for (std::string& sentence : brittleness_sentences(trace, findings)) out.push_back(std::move(sentence));
  add_documents(trace, out);
  add_massive(trace, out);
  for (std::string& sentence : carrier_sentences(trace, findings)) out.push_back(std::move(sentence));
  if (std::string sentence = reproduction_sentence(findings); !sentence.empty())
    out.push_back(std::move(sentence));
  return out;
}

}  // namespace strata
