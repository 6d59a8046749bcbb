#include "strata/theory/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "strata/base/error.h"
#include "strata/theory/brittleness.h"
#include "strata/theory/carriers.h"
#include "strata/theory/null_profile.h"

namespace strata {
namespace {

using Sentences = std::vector<std::string>;

constexpr std::size_t kTwinsOfATest = 19;  // fewer cannot reach p = 0.05

std::string detector_name(const std::string& id) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kNames{
      {{"kernel_cka", "the kernel detector on CKA"}, {"fused", "the detector on the fused signals"}}};
  for (const auto& [known, name] : kNames) {
    if (known == id) return std::string(name);
  }
  return "the detector " + id;
}

std::string token_words(TokenSet tokens) {
  return tokens == TokenSet::ordinary ? "without sink tokens" : "with sink tokens";
}

std::string label(const Detection& d) {
  return fmt::format("{} ({})", detector_name(d.detector), token_words(d.tokens));
}

std::string capitalised(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  }
  return text;
}

std::string count_of(std::size_t n, const std::string& noun, const std::string& plural) {
  return n == 0 ? "no " + noun : fmt::format("{} {}", n, n == 1 ? noun : plural);
}

std::string boundaries_word(std::size_t n) {
  return count_of(n, "boundary", "boundaries");
}

std::string show_edge(const EdgeEstimate& e) {
  const bool defined = std::isfinite(e.interval_90.lo) && std::isfinite(e.interval_90.hi);
  const std::string interval =
      defined ? fmt::format("90% interval {:g} to {:g}", e.interval_90.lo, e.interval_90.hi)
              : "interval undefined";
  if (!std::isfinite(e.modal_share)) return fmt::format("edge {} ({})", e.edge, interval);
  return fmt::format("edge {} ({}; {:.0f}% of resamples put it exactly there)", e.edge, interval,
                     100.0 * e.modal_share);
}

std::string show_edges(const std::vector<EdgeEstimate>& edges) {
  std::vector<std::string> parts;
  for (const EdgeEstimate& e : edges) parts.push_back(show_edge(e));
  return join(parts);
}

std::vector<int> edge_list(const std::vector<EdgeEstimate>& edges) {
  std::vector<int> list;
  for (const EdgeEstimate& e : edges) list.push_back(e.edge);
  return list;
}

std::string show_places(const std::vector<EdgeEstimate>& edges) {
  std::vector<std::string> parts;
  for (const EdgeEstimate& e : edges) parts.push_back(std::to_string(e.edge));
  return (edges.size() == 1 ? "edge " : "edges ") + join(parts);
}

std::string show_segments(const std::vector<Segment>& segments) {
  std::vector<std::string> parts;
  for (const Segment& s : segments) parts.push_back(fmt::format("{} [{},{})", s.name, s.begin, s.end));
  return join(parts);
}

std::string show_test(const CountTest& test) {
  const std::string p = fmt::format("p = {:.3g} (Monte Carlo error {:.1g})", test.p_value, test.p_mc_error);
  if (test.k_null > 0) {
    return fmt::format("more than {} against {}, {}", test.k_null,
                       boundaries_word(static_cast<std::size_t>(test.k_null)), p);
  }
  const bool walk = test.null_model == "random walk";
  return fmt::format("any boundary against {}, {}",
                     walk ? "a random walk" : "the best smooth curve (" + test.null_model + ")", p);
}

std::string numbering(const Trace& trace) {
  return fmt::format(
      "Blocks are numbered from 0 to {}; [a,b) means blocks a to b-1, and edge e lies between block e-1 and "
      "block e.",
      trace.n_layers() - 1);
}

void add_forced(const Detection& d, const Findings& findings, Sentences& out) {
  if (d.selected_k == 2 || d.forced_two.empty()) return;
  const std::string segments =
      findings.segments_forced && !findings.segments.empty() ? ": " + show_segments(findings.segments) : "";
  out.push_back(fmt::format(
      "Forced to two boundaries, the best split is at {}{}; such a split exists for any model, so it is "
      "not evidence of two boundaries.",
      show_edges(d.forced_two), segments));
}

// What the headline detector says of networks with random weights.
void add_twins(const Findings& findings, const Detection& headline, Sentences& out) {
  const auto found = std::find_if(
      findings.random_twins.begin(), findings.random_twins.end(),
      [&](const RandomTwins& t) { return t.detector == headline.detector && t.tokens == headline.tokens; });
  if (found == findings.random_twins.end()) return;
  if (!found->defined) {
    out.push_back(fmt::format("Networks with random weights say nothing here: {}.", found->note));
    return;
  }
  const std::size_t twins = found->statistic.size();
  std::vector<std::string> verdicts;
  std::map<std::string, std::size_t> counted;
  for (const std::string& verdict : found->verdict) ++counted[verdict];
  for (const auto& [verdict, count] : counted) verdicts.push_back(fmt::format("{} for {}", verdict, count));
  out.push_back(fmt::format(
      "Of {} of this architecture with random weights, on the same text, the same detector says {}; by what "
      "jumps gain over the best smooth curve this model ranks {} of {}{}.",
      twins == 1 ? std::string("one network") : fmt::format("{} networks", twins), join(verdicts),
      found->rank, twins + 1,
      twins < kTwinsOfATest ? " (descriptive: too few networks for a test)"
                            : fmt::format(", p = {:.3g}", found->p_value)));
}

void add_headline(const Trace& trace, const Findings& findings, Sentences& out) {
  if (findings.headline < 0) {
    std::vector<std::string> reasons;
    for (const Detection& d : findings.detections) {
      if (!d.defined) reasons.push_back(label(d) + ": " + (d.note.empty() ? "undefined" : d.note));
    }
    out.push_back("Boundaries could not be estimated" +
                  (reasons.empty() ? "." : " (" + join(reasons) + ")."));
    return;
  }
  STRATA_CHECK(static_cast<std::size_t>(findings.headline) < findings.detections.size());
  const Detection& d = findings.detections[static_cast<std::size_t>(findings.headline)];
  if (d.selected_k == 0) {
    const bool smooth = d.verdict == "smooth";
    out.push_back(smooth ? fmt::format("No boundary found: jumps explain the {} blocks no better than a "
                                       "smooth curve does, says {}.",
                                       trace.n_layers(), label(d))
                         : fmt::format("How many boundaries divide the {} blocks is {}, says {}{}.",
                                       trace.n_layers(), d.verdict, label(d),
                                       d.note.empty() ? "" : ": " + d.note));
  } else {
    out.push_back(fmt::format("The {} blocks have {}, says {}: {}.", trace.n_layers(),
                              boundaries_word(static_cast<std::size_t>(d.selected_k)), label(d),
                              show_edges(d.boundaries)));
    if (!findings.segments_forced && !findings.segments.empty()) {
      out.push_back("They cut the model into " + show_segments(findings.segments) + ".");
    }
  }
  if (!d.tests.empty()) {
    std::vector<std::string> tests;
    for (const CountTest& test : d.tests) tests.push_back(show_test(test));
    out.push_back("Tests of the number, in order (a small p speaks for more boundaries): " + join(tests) +
                  ".");
  }
  add_forced(d, findings, out);
  add_twins(findings, d, out);
}

// The other detectors and token sets against the headline.
void add_others(const Findings& findings, Sentences& out) {
  if (findings.headline < 0) return;
  const Detection& headline = findings.detections[static_cast<std::size_t>(findings.headline)];
  std::vector<std::string> agreeing;
  for (const Detection& d : findings.detections) {
    if (&d == &headline) continue;
    if (!d.defined) {
      out.push_back(
          fmt::format("{} is undefined{}.", capitalised(label(d)), d.note.empty() ? "" : ": " + d.note));
    } else if (d.selected_k == headline.selected_k &&
               edge_list(d.boundaries) == edge_list(headline.boundaries)) {
      agreeing.push_back(label(d));
    } else {
      out.push_back(fmt::format("{} says otherwise: {}{}{}.", capitalised(label(d)),
                                boundaries_word(static_cast<std::size_t>(d.selected_k)),
                                d.boundaries.empty() ? "" : " at " + show_places(d.boundaries),
                                d.selected_k == 0 && !d.verdict.empty() ? " (" + d.verdict + ")" : ""));
    }
  }
  if (agreeing.empty()) return;
  out.push_back(fmt::format(
      "{} {} {}.", capitalised(join(agreeing)), agreeing.size() == 1 ? "finds" : "find",
      headline.selected_k == 0 ? "no boundary either" : "the same number of boundaries at the same places"));
}

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
    if (!findings.brittleness.empty()) out.push_back("The brittleness of the segments is undefined.");
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
                              parts.size() == 1 ? "is" : "are", join(parts)));
  }
  const auto backward = static_cast<std::size_t>(std::count_if(
      ranked.begin(), ranked.end(), [](const KappaEstimate* k) { return k->estimator == "backward"; }));
  if (backward > 0) {
    out.push_back(fmt::format(
        "Kappa is the backward sweep's at {}: no noise lanes were run there.",
        backward == ranked.size() ? "every state" : fmt::format("{} of {} states", backward, ranked.size())));
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
                    count_of(documents, "document", "documents"), kFewDocuments));
  } else if (lanes > 0 && lanes < few) {
    out.push_back(fmt::format("Brittleness was measured on only {}: its intervals are unreliable below {}.",
                              count_of(lanes, "document", "documents"), kFewDocuments));
  }
}

void add_massive(const Trace& trace, Sentences& out) {
  if (trace.n_massive == 0) {
    out.push_back("No token beyond the first of each window has massive activations.");
    return;
  }
  out.push_back(
      fmt::format("Massive activations occur at {} beyond the first of each window (of {} tokens in all), "
                  "left out wherever it says \"without sink tokens\".",
                  count_of(static_cast<std::size_t>(trace.n_massive), "token", "tokens"), trace.n_tokens));
  if (trace.sinks.empty()) return;
  const SinkToken& sink = trace.sinks.front();
  out.push_back(
      fmt::format("The largest is \"{}\" (document {}, window {}, position {}): {:.3g} times the median "
                  "token of its document, massive from state {} to state {}.",
                  sink.text, sink.document, sink.window, sink.position, sink.peak_ratio, sink.onset_state,
                  sink.offset_state));
}

}  // namespace

Sentences headline_sentences(const Trace& trace, const Findings& findings) {
  Sentences out;
  add_headline(trace, findings, out);
  out.insert(out.begin() + 1, numbering(trace));
  add_others(findings, out);
  for (std::string& sentence : null_sentences(findings)) out.push_back(std::move(sentence));
  add_segment_brittleness(findings, out);
  add_brittle_layers(trace, findings, out);
  add_documents(trace, out);
  add_massive(trace, out);
  for (std::string& sentence : carrier_sentences(trace, findings)) out.push_back(std::move(sentence));
  return out;
}

}  // namespace strata
