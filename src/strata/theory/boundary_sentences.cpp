#include "strata/theory/boundary_sentences.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "strata/base/error.h"
#include "strata/base/words.h"
#include "strata/theory/edge_changes.h"
#include "strata/theory/edge_words.h"
#include "strata/theory/gradual_changes.h"

namespace strata {
namespace {

using Sentences = std::vector<std::string>;

constexpr std::size_t kTwinsOfATest = 19;  // fewer cannot reach p = 0.05
constexpr const char* kRule = "signals or states, tested together at 5% against heavy-tailed layer noise";

std::string boundaries_word(std::size_t n) {
  return n == 0 ? "no boundary" : counted(n, "boundary", "boundaries");
}

std::string show_places(const std::vector<EdgeEstimate>& edges) {
  std::vector<std::string> parts;
  for (const EdgeEstimate& e : edges) parts.push_back(std::to_string(e.edge));
  return (edges.size() == 1 ? "edge " : "edges ") + enumerated(parts);
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
  return enumerated(parts);
}

std::string show_segments(const std::vector<Segment>& segments) {
  std::vector<std::string> parts;
  for (const Segment& s : segments) parts.push_back(fmt::format("{} [{},{})", s.name, s.begin, s.end));
  return enumerated(parts);
}

std::string token_words(TokenSet tokens) {
  return tokens == TokenSet::ordinary ? "without sink tokens" : "with sink tokens";
}

std::string numbering(const Trace& trace) {
  return fmt::format(
      "Blocks are numbered from 0 to {}; [a,b) means blocks a to b-1, and edge e lies between block e-1 and "
      "block e.",
      trace.n_layers() - 1);
}

const Detection* find_detection(const Findings& findings, const char* detector, TokenSet tokens) {
  for (const Detection& d : findings.detections) {
    if (d.detector == detector && d.tokens == tokens) return &d;
  }
  return nullptr;
}

// The place with the strongest evidence, boundary or not; nullptr where the search had no room for any.
const EdgeEstimate* strongest_of(const std::vector<EdgeEstimate>& edges) {
  const EdgeEstimate* best = nullptr;
  for (const EdgeEstimate& e : edges) {
    if (!std::isfinite(e.p_value)) continue;
    const bool stronger = best == nullptr || e.p_value < best->p_value ||
                          (e.p_value == best->p_value && e.evidence > best->evidence);
    if (stronger) best = &e;
  }
  return best;
}

void add_verdict(const Detection& d, Sentences& out) {
  const auto count = static_cast<std::size_t>(d.selected_k);
  if (count > 0) {
    const EdgeEstimate* strongest = strongest_of(d.boundaries);
    out.push_back(
        fmt::format("{}: {} ({}{}).", boundaries_word(count), show_places(d.boundaries), kRule,
                    strongest == nullptr ? "" : fmt::format("; strongest p = {:.2g}", strongest->p_value)));
    return;
  }
  const EdgeEstimate* strongest = strongest_of(d.forced_two);
  out.push_back(strongest == nullptr
                    ? fmt::format("No boundary ({}).", kRule)
                    : fmt::format("No boundary: the strongest edge, {}, has p = {:.2g} ({}; {}).",
                                  strongest->edge, strongest->p_value, strongest->found_by, kRule));
}

// What this network's own roughness lets the tests see.
void add_power(const Detection& d, Sentences& out) {
  if (d.power.empty()) return;
  std::vector<std::string> parts;
  for (const PowerPoint& point : d.power)
    parts.push_back(fmt::format("{:g} sigmas in {:.0f}%", point.sigmas, 100.0 * point.share));
  out.push_back(fmt::format(
      "Power, simulated with this network's roughness: two steps that every signal has are both found by the "
      "signals alone in so many cases (their size in layer sigmas): {}.",
      enumerated(parts)));
}

// Where signals change most although no edge is a step.
void add_gradual(const Trace& trace, Sentences& out) {
  std::vector<std::string> parts;
  for (const GradualChange& change : gradual_changes(trace)) {
    const std::string blocks = change.first == change.last
                                   ? fmt::format("block {}", change.first)
                                   : fmt::format("blocks {} to {}", change.first, change.last);
    parts.push_back(fmt::format("{} goes from {}{}, half of it in {}", change.signal,
                                show_pair(change.before, change.after),
                                change.unit == "1" || change.unit.empty() ? "" : " " + change.unit, blocks));
  }
  if (parts.empty()) return;
  out.push_back(fmt::format("Gradual changes, described and not tested: {}.", fmt::join(parts, "; ")));
}

bool same_places(const Detection& a, const Detection& b) {
  const auto covered = [](const Detection& x, const Detection& y) {
    return std::all_of(x.boundaries.begin(), x.boundaries.end(), [&](const EdgeEstimate& e) {
      return std::any_of(y.boundaries.begin(), y.boundaries.end(), [&](const EdgeEstimate& other) {
        return std::abs(e.edge - other.edge) <= kSamePlace;
      });
    });
  };
  return covered(a, b) && covered(b, a);
}

std::string finds(const Detection& d) {
  return fmt::format("{} find {}", d.detector,
                     d.boundaries.empty() ? std::string("no boundary") : show_places(d.boundaries));
}

// Do the two sources of evidence agree, and do sink tokens matter?
void add_agreement(const Findings& findings, const Detection& headline, Sentences& out) {
  const Detection* signals = find_detection(findings, "signals", headline.tokens);
  const Detection* states = find_detection(findings, "states", headline.tokens);
  for (const Detection* d : {signals, states}) {
    if (d != nullptr && !d->defined)
      out.push_back(fmt::format("The detector on {} says nothing here: {}.", d->detector,
                                d->note.empty() ? "undefined" : d->note));
  }
  if (signals != nullptr && states != nullptr && signals->defined && states->defined) {
    if (same_places(*signals, *states)) {
      out.push_back(headline.selected_k == 0 ? "Both detectors, signals and states, find none."
                                             : "Both detectors, signals and states, find them.");
    } else {
      out.push_back(fmt::format("The two detectors do not agree: {}, {}.", finds(*signals), finds(*states)));
    }
  }
  const Detection* all = find_detection(findings, headline.detector.c_str(), TokenSet::all);
  if (all == nullptr || all == &headline || !all->defined) return;
  if (same_places(*all, headline)) {
    out.emplace_back("With sink tokens counted the rule says the same.");
  } else {
    out.push_back(fmt::format("With sink tokens counted the rule finds {}{}.",
                              boundaries_word(all->boundaries.size()),
                              all->boundaries.empty() ? "" : " at " + show_places(all->boundaries)));
  }
}

std::string blocks_of(const Segment& range) {
  return range.end - range.begin == 1 ? fmt::format("block {}", range.begin)
                                      : fmt::format("blocks {} to {}", range.begin, range.end - 1);
}

void add_ends(const Findings& findings, Sentences& out) {
  std::vector<std::string> parts;
  if (findings.start_up.end > findings.start_up.begin)
    parts.push_back(blocks_of(findings.start_up) + " (start-up)");
  if (findings.read_out.end > findings.read_out.begin)
    parts.push_back(blocks_of(findings.read_out) + " (read-out)");
  if (parts.empty()) return;
  out.push_back(fmt::format("Unlike the blocks between and in no segment: {}.", enumerated(parts)));
}

void add_odd(const Findings& findings, Sentences& out) {
  std::vector<std::string> parts;
  for (const OddBlock& odd : findings.odd_blocks) {
    std::vector<std::string> first(
        odd.signals.begin(),
        odd.signals.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(3, odd.signals.size())));
    parts.push_back(fmt::format("block {} ({}p = {:.2g})", odd.block,
                                first.empty() ? std::string() : enumerated(first) + "; ", odd.p_value));
  }
  if (parts.empty()) return;
  out.push_back(fmt::format("Odd {}, whose signals are off and come back: {}.",
                            parts.size() == 1 ? "block" : "blocks", enumerated(parts)));
}

void add_forced(const Detection& d, const Findings& findings, Sentences& out) {
  if (d.selected_k >= 2 || d.forced_two.empty()) return;
  const std::string segments =
      findings.segments_forced && !findings.segments.empty() ? ": " + show_segments(findings.segments) : "";
  out.push_back(fmt::format(
      "Forced to two boundaries, the best split is at {}{}; such a split exists for any model, so it is "
      "not evidence of two boundaries.",
      show_edges(d.forced_two), segments));
}

// What the rule says of networks with random weights.
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
      "Of {} of this architecture with random weights, on the same text, the same rule says {}; by its "
      "strongest evidence this model ranks {} of {}{}.",
      twins == 1 ? std::string("one network") : fmt::format("{} networks", twins), enumerated(verdicts),
      found->rank, twins + 1,
      twins < kTwinsOfATest ? " (descriptive: too few networks for a test)"
                            : fmt::format(", p = {:.3g}", found->p_value)));
}

}  // namespace

std::vector<std::string> boundary_sentences(const Trace& trace, const Findings& findings) {
  Sentences out;
  if (findings.headline < 0) {
    std::vector<std::string> reasons;
    for (const Detection& d : findings.detections) {
      if (d.defined || d.role == DetectorRole::reproduction) continue;
      reasons.push_back(fmt::format("{}, {}: {}", d.detector, token_words(d.tokens),
                                    d.note.empty() ? "undefined" : d.note));
    }
    out.push_back("Boundaries could not be estimated" +
                  (reasons.empty() ? "." : " (" + enumerated(reasons) + ")."));
    out.push_back(numbering(trace));
    return out;
  }
  STRATA_CHECK(static_cast<std::size_t>(findings.headline) < findings.detections.size());
  const Detection& d = findings.detections[static_cast<std::size_t>(findings.headline)];
  add_verdict(d, out);
  if (d.selected_k == 0) {
    add_power(d, out);
    add_gradual(trace, out);
  }
  if (d.selected_k > 0) {
    for (const EdgeChange& change : findings.edge_changes) {
      if (!change.forced) out.push_back(change.sentence);
    }
    out.push_back(fmt::format("Places: {}.", show_edges(d.boundaries)));
    if (!findings.segments_forced && !findings.segments.empty())
      out.push_back(fmt::format("Segments: {}.", show_segments(findings.segments)));
  }
  add_agreement(findings, d, out);
  add_ends(findings, out);
  add_odd(findings, out);
  add_forced(d, findings, out);
  add_twins(findings, d, out);
  out.insert(out.begin() + 1, numbering(trace));
  return out;
}

std::string reproduction_sentence(const Findings& findings) {
  std::vector<std::string> parts;
  for (const Detection& d : findings.detections) {
    if (d.role != DetectorRole::reproduction || d.tokens != TokenSet::ordinary || !d.defined) continue;
    parts.push_back(fmt::format(
        "{} says {}", d.detector,
        d.boundaries.empty()
            ? d.verdict
            : fmt::format("{} at {}", boundaries_word(d.boundaries.size()), show_places(d.boundaries))));
  }
  if (parts.empty()) return {};
  return fmt::format("Earlier detectors, reproduced for comparison and deciding nothing: {}.",
                     enumerated(parts));
}

}  // namespace strata
