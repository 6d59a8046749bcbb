#include "strata/families/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/segmentation/smooth_splits.h"

namespace strata {
namespace {

constexpr double kPowerSigmas = 3.0;  // the steps whose power is quoted

Split split_of(const std::vector<EdgeEstimate>& boundaries) {
  Split split;
  if (boundaries.size() != 2) return split;
  for (const EdgeEstimate& boundary : boundaries) {
    split.edges.push_back(boundary.edge);
    split.shares.push_back(boundary.histogram);
  }
  return split;
}

// What the tests select, where they select two.
Split selected_split(const Detection& detection) {
  return detection.selected_k == 2 ? split_of(detection.boundaries) : Split{};
}

const Detection* find_detection(const Findings& findings, const std::string& detector, TokenSet tokens) {
  for (const Detection& d : findings.detections) {
    if (d.defined && d.detector == detector && d.tokens == tokens) return &d;
  }
  return nullptr;
}

void add_boundaries(const Findings& findings, Evidence& evidence) {
  for (const Detection& d : findings.detections) {
    // Reproductions of earlier detectors, and the rule over both detectors, are no evidence of agreement.
    if (!d.defined || d.tokens != TokenSet::ordinary || d.role != DetectorRole::detector) continue;
    evidence.detectors.push_back(d.detector);
    evidence.by_detector.push_back(selected_split(d));
    evidence.forced_by_detector.push_back(split_of(d.forced_two));
  }
  if (findings.headline < 0) {
    evidence.note += "no boundaries: every detector is undefined; ";
    return;
  }
  const Detection& headline = findings.detections[static_cast<std::size_t>(findings.headline)];
  evidence.tested = true;
  evidence.selected_k = headline.selected_k;
  for (const PowerPoint& point : headline.power) {
    if (point.sigmas == kPowerSigmas) evidence.power = point.share;
  }
  evidence.split = selected_split(headline);
  evidence.forced_split = split_of(headline.forced_two);
  const Detection* with_sinks = find_detection(findings, headline.detector, TokenSet::all);
  if (with_sinks != nullptr) {
    evidence.with_sinks = selected_split(*with_sinks);
    evidence.with_sinks_k = with_sinks->selected_k;
  }
  for (const RandomTwins& twins : findings.random_twins) {
    if (!twins.defined || twins.detector != headline.detector || twins.tokens != headline.tokens) continue;
    evidence.random_networks = static_cast<int>(twins.statistic.size());
    evidence.random_rank = twins.rank;
  }
}

// A change between the outputs of blocks e-1 and e is edge e, and state i is the output of block i-1: what is
// massive from state i on begins at edge i-1, and what is massive up to state j ends at edge j.
void add_massive(const Trace& trace, Evidence& evidence) {
  std::set<int> edges;
  for (const SinkToken& sink : trace.sinks) {
    for (const int edge : {sink.onset_state - 1, sink.offset_state}) {
      if (edge >= 1 && edge < trace.n_layers()) edges.insert(edge);
    }
  }
  evidence.massive_edges.assign(edges.begin(), edges.end());
}

// Edges of surrogate `row`, of the detectors that select two in this model.
std::vector<Split> smooth_row(const SmoothSplits& smooth, const Evidence& evidence, std::size_t row) {
  std::vector<Split> splits;
  for (std::size_t d = 0; d < smooth.detectors.size(); ++d) {
    const auto own = std::find(evidence.detectors.begin(), evidence.detectors.end(), smooth.detectors[d]);
    if (own == evidence.detectors.end()) continue;
    if (!evidence.by_detector[static_cast<std::size_t>(own - evidence.detectors.begin())].defined()) continue;
    splits.push_back(
        {.edges = {static_cast<int>(smooth.edges[d](row, 0)), static_cast<int>(smooth.edges[d](row, 1))},
         .shares = {}});
  }
  return splits;
}

void add_surrogates(const Run& run, const EvidenceOptions& options, Evidence& evidence) {
  if (!evidence.forced_split.defined()) return;
  const SmoothSplits smooth =
      smooth_splits(run.trace, TokenSet::ordinary,
                    {.seed = options.seed, .surrogates = options.resamples, .threads = options.threads});
  const auto& headline = run.findings.detections[static_cast<std::size_t>(run.findings.headline)].detector;
  const auto found = std::find(smooth.detectors.begin(), smooth.detectors.end(), headline);
  if (found == smooth.detectors.end()) return;
  evidence.smooth_depths = smooth.edges[static_cast<std::size_t>(found - smooth.detectors.begin())];
  const auto rows = evidence.smooth_depths.rows;
  for (double& x : evidence.smooth_depths.data) x /= evidence.n_layers;
  for (std::size_t i = 0; i < rows; ++i) {
    const double distance = split_distance(smooth_row(smooth, evidence, i), evidence.n_layers);
    if (std::isnan(distance)) return;  // fewer than two detectors, in every row
    evidence.smooth_distance.push_back(distance);
  }
}

double safe_ln(double value) {
  return value > 0.0 && std::isfinite(value) ? std::log(value) : kUndefined;
}

// Values per document at states 0..L-1, and what each document counts.
struct ByDocument {
  Matrix value;
  std::vector<double> weight;
};

std::vector<double> ln_means(const ByDocument& values, const std::vector<double>& times) {
  std::vector<double> out;
  for (std::size_t place = 0; place < values.value.cols; ++place) {
    double sum = 0.0, total = 0.0;
    for (std::size_t d = 0; d < values.value.rows; ++d) {
      const double x = values.value(d, place), w = values.weight[d] * times[d];
      if (!std::isfinite(x) || !(w > 0.0)) continue;
      sum += w * x;
      total += w;
    }
    out.push_back(total > 0.0 ? safe_ln(sum / total) : kUndefined);
  }
  return out;
}

// How often each document is drawn; the same in every run whose documents in the lanes are as many.
Matrix draws_of(const std::vector<double>& weight, const EvidenceOptions& options) {
  std::vector<std::size_t> used;
  for (std::size_t d = 0; d < weight.size(); ++d) {
    if (weight[d] > 0.0) used.push_back(d);
  }
  if (used.size() < 2) return {};
  Matrix draws(static_cast<std::size_t>(options.resamples), weight.size());
  for (std::size_t r = 0; r < draws.rows; ++r) {
    Philox rng(
        {.seed = options.seed, .stream = Stream::documents, .a = 1, .b = static_cast<std::uint32_t>(r)});
    for (std::size_t i = 0; i < used.size(); ++i) draws(r, used[rng.below(used.size())]) += 1.0;
  }
  return draws;
}

Matrix resampled(const ByDocument& values, const Matrix& draws) {
  Matrix out(draws.rows, draws.rows > 0 ? values.value.cols : 0);
  for (std::size_t r = 0; r < draws.rows; ++r) {
    const auto row = draws.row(r);
    const auto means = ln_means(values, {row.begin(), row.end()});
    std::copy(means.begin(), means.end(), out.row(r).begin());
  }
  return out;
}

// Of a series over states, what stands in front of each block; nothing where no document has a value.
ByDocument inputs_of_blocks(const Trace& trace, const char* id) {
  const Series* series = find_series(trace, id, TokenSet::ordinary);
  const auto layers = static_cast<std::size_t>(trace.n_layers());
  if (series == nullptr || series->by_doc.cols != layers + 1) return {};
  ByDocument result{Matrix(series->by_doc.rows, layers), lane_weights(trace)};
  for (std::size_t d = 0; d < result.value.rows; ++d) {
    std::copy_n(series->by_doc.row(d).begin(), layers, result.value.row(d).begin());
  }
  return result;
}

void add_kappa(const Run& run, const EvidenceOptions& options, Evidence& evidence) {
  const std::vector<double> once(run.trace.documents.size(), 1.0);
  const ByDocument relative = inputs_of_blocks(run.trace, "sensitivity");
  const ByDocument absolute = inputs_of_blocks(run.trace, "sensitivity_absolute");
  if (relative.value.rows > 0) {
    const Matrix draws = draws_of(relative.weight, options);
    evidence.ln_kappa = ln_means(relative, once);
    evidence.kappa_resamples = resampled(relative, draws);
    if (absolute.value.rows == relative.value.rows) {
      evidence.ln_absolute = ln_means(absolute, once);
      evidence.absolute_resamples = resampled(absolute, draws);
    }
    return;
  }
  if (run.findings.kappa.empty()) {
    evidence.note += "the record holds no kappa; ";
    return;
  }
  evidence.ln_kappa.assign(static_cast<std::size_t>(run.trace.n_layers()), kUndefined);
  for (const KappaEstimate& estimate : run.findings.kappa) {
    if (estimate.state < run.trace.n_layers())
      evidence.ln_kappa[static_cast<std::size_t>(estimate.state)] = safe_ln(estimate.kappa);
  }
  evidence.note += "the record holds no backward sweep, so kappa is the lanes' and has no resamples; ";
}

void add_rms(const Trace& trace, Evidence& evidence) {
  const Series* series = find_series(trace, "residual_rms", TokenSet::ordinary);
  if (series == nullptr || series->by_doc.cols != static_cast<std::size_t>(trace.n_layers()) + 1) return;
  const auto mean = mean_over_documents(*series);
  for (std::size_t i = 0; i + 1 < mean.size(); ++i) evidence.ln_rms.push_back(safe_ln(mean[i]));
}

void add_skip(const Trace& trace, Evidence& evidence) {
  std::vector<double> skip(static_cast<std::size_t>(trace.n_layers()), kUndefined);
  bool any = false;
  for (const DoseCurve& curve : trace.curves) {
    if (curve.intervention != "block_skip" || curve.axis != Axis::block || curve.span != 1) continue;
    if (curve.place < 0 || curve.place >= trace.n_layers() || curve.strength.empty()) continue;
    const auto mean = weighted_mean(curve.kl_nats, lane_weights(trace));
    skip[static_cast<std::size_t>(curve.place)] = safe_ln(mean.back());  // the full strength is the last
    any = true;
  }
  if (any) evidence.ln_skip_kl = skip;
  if (!any) evidence.note += "the record holds no block_skip; ";
}

// Compression weights of the inputs of blocks at one noise for all layers and models.
void add_beta(const Run& run, Evidence& evidence) {
  std::vector<double> beta(static_cast<std::size_t>(run.trace.n_layers()), kUndefined);
  bool any = false;
  for (const StateRateDistortion& state : run.findings.rate_distortion) {
    if (state.state < 0 || state.state >= run.trace.n_layers()) continue;
    for (const RatePoint& point : state.curve.points) {
      if (point.strength != kBetaStrength) continue;
      beta[static_cast<std::size_t>(state.state)] = safe_ln(point.beta);
      any = true;
    }
  }
  if (any) evidence.ln_beta = beta;
  if (!any)
    evidence.note += fmt::format("the record holds no compression weights at noise {}; ", kBetaStrength);
}

}  // namespace

Evidence gather_evidence(const Run& run, const EvidenceOptions& options) {
  Evidence evidence;
  const ModelCard& card = run.trace.model;
  evidence.model = card.name;
  evidence.family = card.family;
  evidence.text = run.trace.run.corpus_name;
  evidence.n_layers = card.n_layers;
  evidence.hidden = card.hidden;
  evidence.ln_parameters = safe_ln(static_cast<double>(card.parameters));
  add_boundaries(run.findings, evidence);
  add_massive(run.trace, evidence);
  add_surrogates(run, options, evidence);
  add_rms(run.trace, evidence);
  if (card.has_head()) {
    add_kappa(run, options, evidence);
    add_skip(run.trace, evidence);
    add_beta(run, evidence);
  } else {
    evidence.note += fmt::format("kappa, skip KL and compression weights: {}; ", kNoHead);
  }
  if (evidence.note.ends_with("; ")) evidence.note.resize(evidence.note.size() - 2);
  return evidence;
}

double split_distance(const std::vector<Split>& splits, int n_layers) {
  double sum = 0.0;
  int pairs = 0;
  for (std::size_t i = 0; i < splits.size(); ++i) {
    for (std::size_t j = i + 1; j < splits.size(); ++j) {
      if (!splits[i].defined() || !splits[j].defined()) continue;
      for (std::size_t k = 0; k < 2; ++k) {
        sum += 0.5 * std::abs(splits[i].edges[k] - splits[j].edges[k]) / n_layers;
      }
      ++pairs;
    }
  }
  return pairs > 0 ? sum / pairs : kUndefined;
}

double location_error(const Split& split, std::size_t boundary, int n_layers) {
  double square = 0.0, total = 0.0;
  if (boundary < split.shares.size()) {
    const auto& shares = split.shares[boundary];
    for (std::size_t i = 0; i < shares.size(); ++i) {
      // About the estimate itself: a bias of the resamples counts as error too.
      const double off = static_cast<double>(i + 1) - split.edges[boundary];
      square += shares[i] * off * off;
      total += shares[i];
    }
  }
  const double resampled = total > 0.0 ? square / total : 0.0;
  return std::sqrt(resampled + 1.0 / 12.0) / n_layers;
}

}  // namespace strata
