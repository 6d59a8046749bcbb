#include "tests/support/synthetic_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "strata/base/philox.h"

namespace strata::test {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr int kDocuments = 16;

std::size_t size(int n) {
  return static_cast<std::size_t>(n);
}

struct Shape {
  std::string id, unit;
  Axis axis;
  Group group;
  std::function<double(double)> value;  // over relative depth 0..1
  double noise;
  double all_factor;  // what sink tokens do to it
};

double step(double depth, double at, double width) {
  return 1.0 / (1.0 + std::exp(-(depth - at) / width));
}

std::vector<Shape> shapes() {
  using enum Axis;
  using enum Group;
  const auto two_steps = [](double x) { return 0.5 * step(x, 0.25, 0.02) + 0.35 * step(x, 0.75, 0.02); };
  return {
      {"attention_distance", "1", block, attention, [=](double x) { return 0.35 + 0.6 * two_steps(x); }, 0.02,
       0.8},
      {"attention_entropy", "1", block, attention, [=](double x) { return 0.8 - 0.5 * two_steps(x); }, 0.02,
       0.6},
      {"cka_shift", "1", block, representation,
       [](double x) {
         return 0.02 + 0.2 * std::exp(-std::pow((x - 0.25) / 0.04, 2)) +
                0.15 * std::exp(-std::pow((x - 0.75) / 0.04, 2));
       },
       0.004, 1.6},
      {"angular_step", "pi rad", block, representation, [](double x) { return 0.22 - 0.3 * x * (1 - x); },
       0.006, 1.1},
      {"block_influence", "1", block, representation, [](double x) { return 0.2 - 0.55 * x * (1 - x); },
       0.006, 1.2},
      {"update_ratio", "1", block, representation, [](double x) { return 0.7 - 1.5 * x * (1 - x); }, 0.02,
       1.0},
      {"matrix_entropy", "1", state, information, [=](double x) { return 0.75 - 0.35 * two_steps(x); }, 0.01,
       0.5},
      {"lens_entropy", "nats", state, output, [=](double x) { return 9.5 - 7.0 * x * x; }, 0.1, 1.0},
      {"lens_kl", "nats", state, output, [](double x) { return 8.0 * (1 - x) * (1 - 0.6 * x); }, 0.1, 1.02},
      {"residual_rms", "rms", state, control, [](double x) { return 0.05 * std::exp(4.5 * x); }, 0.002, 9.0},
      {"max_activation", "rms", state, control, [](double x) { return 0.5 * std::exp(5.0 * x); }, 0.03, 60.0},
      {"sink_rate", "1", block, control, [=](double x) { return 0.1 + 0.6 * step(x, 0.1, 0.03); }, 0.02, 1.0},
  };
}

Series make_series(const Shape& shape, TokenSet tokens, int layers, Philox& rng) {
  const int n = shape.axis == Axis::state ? layers + 1 : layers;
  Series series{.id = shape.id,
                .unit = shape.unit,
                .axis = shape.axis,
                .group = shape.group,
                .tokens = tokens,
                .by_doc = Matrix(kDocuments, size(n)),
                .weight = {},
                .note = ""};
  const double factor = tokens == TokenSet::all ? shape.all_factor : 1.0;
  for (std::size_t d = 0; d < kDocuments; ++d) {
    series.weight.push_back(400.0 + 10.0 * static_cast<double>(d));
    const double offset = rng.normal() * shape.noise;
    for (int i = 0; i < n; ++i) {
      const double depth = static_cast<double>(i) / std::max(1, n - 1);
      const double value = factor * (shape.value(depth) + offset + 0.5 * shape.noise * rng.normal());
      series.by_doc(d, size(i)) = std::max(value, 1e-4);
    }
  }
  return series;
}

// A rogue dimension between blocks 1 and 4, and a sink at position 0 that block 2 writes and the last
// removes.
void add_carriers(Run& run, int layers) {
  run.trace.mask_counts = {{4.0, 90}, {10.0, 2}, {50.0, 2}};
  SinkPath sink{.first_position = true,
                .token_id = -1,
                .text = "",
                .tokens = 20,
                .of = 20,
                .length = {},
                .ratio = {},
                .massive = {},
                .dimension = std::vector<int>(size(layers) + 1, 131)};
  for (int state = 0; state <= layers; ++state) {
    const bool massive = state >= 3 && state < layers;
    sink.length.push_back(massive ? 24410.0 : 106.0);
    sink.ratio.push_back(massive ? 300.0 : 1.5);
    sink.massive.push_back(massive ? 1.0 : 0.0);
    const bool rogue = state >= 2 && state <= 4;
    const CarrierWord word{
        .token_id = 5, .text = " <the>", .occurrences = 210, .count = 80, .share = rogue ? 0.75 : 0.08};
    const CarrierDirection direction{.dimension = rogue ? 12 : 7,
                                     .alignment = 0.9,
                                     .share = rogue ? 0.46 : 0.1,
                                     .few_tokens = rogue ? 0.8 : 0.1,
                                     .few_size = rogue ? 90.0 : 2.0,
                                     .words = {word}};
    run.trace.carriers.push_back({.state = state,
                                  .tokens = TokenSet::ordinary,
                                  .n_tokens = 4000,
                                  .top_token_energy = rogue ? 0.3 : 0.02,
                                  .dimension = direction,
                                  .component = direction});
  }
  run.trace.sink_paths = {sink};
  run.findings.carriers = {{.kind = "rogue_dimension",
                            .words = {" <the>"},
                            .dimension = 12,
                            .first_state = 2,
                            .last_state = 4,
                            .written_by = {1},
                            .removed_by = {4},
                            .token_share = 0.02,
                            .peak_share = 0.35},
                           {.kind = "sink",
                            .first_position = true,
                            .words = {},
                            .dimension = 131,
                            .first_state = 3,
                            .last_state = layers - 1,
                            .written_by = {2},
                            .removed_by = {layers - 1},
                            .token_share = 1.0,
                            .before = 106.0,
                            .after = 24410.0,
                            .peak_ratio = 300.0}};
}

CkaRecord make_cka(TokenSet tokens, StateScale scale, int layers, Philox& rng) {
  const std::size_t n = size(layers) + 1;
  CkaRecord cka{.tokens = tokens,
                .scale = scale,
                .value = Matrix(n, n),
                .replicates = {},
                .n_tokens = 6400,
                .n_batches = 20,
                .note = ""};
  const auto coordinate = [&](std::size_t i) {
    // Edge e separates the outputs of blocks e-1 and e, states e and e+1.
    const double x = (static_cast<double>(i) - 0.5) / layers;
    return 1.2 * step(x, 0.25, 0.02) + 1.0 * step(x, 0.75, 0.02) + 0.4 * x;
  };
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j)
      cka.value(i, j) = std::exp(-std::pow(coordinate(i) - coordinate(j), 2));
  }
  for (int b = 0; b < 5; ++b) {
    Matrix replicate = cka.value;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        replicate(i, j) = replicate(j, i) = replicate(i, j) * (1.0 - 0.01 * std::abs(rng.normal()));
      }
    }
    cka.replicates.push_back(std::move(replicate));
  }
  return cka;
}

EdgeEstimate make_edge(int edge, int layers, double modal_share) {
  EdgeEstimate estimate{.edge = edge, .interval_90 = {}, .modal_share = modal_share, .histogram = {}};
  estimate.histogram.assign(size(layers) - 1, 0.0);
  const double rest = (1.0 - modal_share) / 2;
  estimate.histogram[size(edge) - 1] = modal_share;
  estimate.histogram[size(std::max(edge - 2, 0))] += rest;
  estimate.histogram[size(std::min(edge, layers - 2))] += rest;
  estimate.interval_90 = {.lo = std::max(edge - 1.0, 1.0), .hi = std::min(edge + 1.0, layers - 1.0)};
  return estimate;
}

CountTest make_test(int k_null, const std::string& model, double statistic, double p_value, Philox& rng) {
  CountTest test{.k_null = k_null,
                 .null_model = model,
                 .statistic = statistic,
                 .p_value = p_value,
                 .p_mc_error = 0.0,
                 .null_sample = {}};
  test.p_mc_error = std::sqrt(p_value * (1 - p_value) / 1000);
  for (int i = 0; i < 999; ++i) test.null_sample.push_back(std::abs(1.0 + 0.3 * rng.normal()));
  std::sort(test.null_sample.begin(), test.null_sample.end());
  return test;
}

Detection make_detection(const std::string& detector, TokenSet tokens, int layers, int shift, Philox& rng) {
  const int first = std::max(1, layers / 4 + shift);
  const int second = 3 * layers / 4;
  Detection d;
  d.detector = detector;
  d.tokens = tokens;
  d.defined = true;
  d.verdict = "2 boundaries";
  d.selected_k = 2;
  d.boundaries = {make_edge(first, layers, 0.72), make_edge(second, layers, 0.55)};
  d.forced_two = d.boundaries;
  d.tests = {make_test(0, "quadratic", 4.2, 0.001, rng), make_test(1, "1 jump", 2.9, 0.004, rng),
             make_test(2, "2 jumps", 1.1, 0.31, rng)};
  d.fits = {
      {.k = -1, .name = "linear", .edges = {}, .sse = 5.5, .bic_ar1 = -20.25, .leave_one_out = 0.4},
      {.k = -1, .name = "quadratic", .edges = {}, .sse = 4.0, .bic_ar1 = -22.5, .leave_one_out = kUndefined},
      {.k = 1, .name = "1 jump", .edges = {second}, .sse = 2.0, .bic_ar1 = -30.0, .leave_one_out = 0.2},
      {.k = 2,
       .name = "2 jumps",
       .edges = {first, second},
       .sse = 0.4,
       .bic_ar1 = -60.0,
       .leave_one_out = 0.05}};
  d.k_stability = {0.0, 0.05, 0.85, 0.1};
  if (detector == "fused") {
    d.used_signals = {"attention_distance", "attention_entropy", "cka_shift", "matrix_entropy", "lens_kl"};
    d.left_out = {"lens_entropy: MAD is 0"};
  }
  return d;
}

// The rule or one of its two detectors.
Detection make_steps(const std::string& detector, TokenSet tokens, int layers, Philox& rng) {
  Detection d = make_detection(detector, tokens, layers, 0, rng);
  d.role = detector == "either" ? DetectorRole::rule : DetectorRole::detector;
  d.fits.clear();
  d.k_stability.clear();
  d.used_signals = {"attention_distance", "cka_shift"};
  d.first_edge = std::min(4, layers - 1);
  d.last_edge = std::max(1, layers - 3);
  for (int e = 1; e < layers; ++e) d.evidence.push_back(0.1 + 0.4 * rng.uniform());
  for (auto* edges : {&d.boundaries, &d.forced_two}) {
    for (EdgeEstimate& e : *edges) {
      e.evidence = d.evidence[size(e.edge) - 1] = detector == "states" ? 1.4 : 2.1;
      e.p_value = 0.002;
      e.found_by = detector == "either" ? "both" : detector;
    }
  }
  return d;
}

EdgeChange make_change(int edge, bool forced) {
  EdgeChange change{.edge = edge,
                    .forced = forced,
                    .with_sinks = forced ? "" : "yes",
                    .state_jump = 0.21,
                    .state_usual = 0.02};
  change.signals = {{.signal = "attention_distance",
                     .unit = "1",
                     .group = Group::attention,
                     .before = 0.99,
                     .after = 0.6,
                     .step = -0.39,
                     .step_interval_90 = {-0.41, -0.37},
                     .step_sigmas = -12.5,
                     .slope_before = 0.01,
                     .slope_after = kUndefined,
                     .gain = 12.0},
                    {.signal = "lens_entropy",
                     .unit = "nats",
                     .group = Group::output,
                     .before = 5.0,
                     .after = 4.9,
                     .step = -0.1,
                     .step_interval_90 = {kUndefined, kUndefined},
                     .step_sigmas = -0.5,
                     .slope_before = -0.1,
                     .slope_after = -0.1,
                     .gain = 0.1}};
  change.groups = {{.group = Group::attention, .gain = 12.0, .share = 0.99},
                   {.group = Group::output, .gain = 0.1, .share = 0.01}};
  change.sentence = fmt::format("{} {}: attention becomes more local (distance 0.99 to 0.60).",
                                forced ? "Forced edge" : "Edge", edge);
  return change;
}

DoseCurve make_curve(const std::string& intervention, Axis axis, int place,
                     const std::vector<double>& strength, double kappa, Philox& rng) {
  const bool skip = intervention == "block_skip";
  DoseCurve curve{.intervention = intervention,
                  .site = skip ? "branch" : "state",
                  .strength_unit = skip ? "share" : "token rms",
                  .axis = axis,
                  .place = place,
                  .span = 1,
                  .strength = strength,
                  .kl_nats = Matrix(kDocuments, strength.size()),
                  .delta_nll_nats = Matrix(kDocuments, strength.size()),
                  .top1_agreement = Matrix(kDocuments, strength.size())};
  for (std::size_t d = 0; d < kDocuments; ++d) {
    const double document = std::exp(0.15 * rng.normal());
    for (std::size_t i = 0; i < strength.size(); ++i) {
      const double small = 0.5 * kappa * strength[i] * strength[i] * document;
      const double kl = small / (1.0 + small / 6.0);  // cannot exceed what the vocabulary allows
      curve.kl_nats(d, i) = d < 8 ? kl : kUndefined;
      curve.delta_nll_nats(d, i) = d < 8 ? 0.9 * kl + 0.01 * kl * rng.normal() : kUndefined;
      curve.top1_agreement(d, i) = d < 8 ? std::exp(-kl) : kUndefined;
    }
  }
  return curve;
}

double kappa_at(int state, int layers) {
  const double x = static_cast<double>(state) / layers;
  return 400.0 * std::exp(-4.0 * x) + 5.0;
}

// A residual stream that grows with depth; absolute = kappa / rms_effective^2.
StateSplit make_split(int state, int layers) {
  const double kappa = kappa_at(state, layers);
  const double rms = 0.2 * std::exp(3.0 * state / layers);
  const double effective = rms * std::exp(0.3 * (0.5 - static_cast<double>(state) / layers));
  return {.state = state,
          .kappa = kappa,
          .absolute = kappa / (effective * effective),
          .rms_effective = effective,
          .rms_median = rms,
          .correlation = std::log(effective / rms),
          .kappa_by_doc = std::vector<double>(kDocuments, kappa),
          .absolute_by_doc = std::vector<double>(kDocuments, kappa / (effective * effective)),
          .rms_effective_by_doc = std::vector<double>(kDocuments, effective),
          .rms_median_by_doc = std::vector<double>(kDocuments, rms),
          .note = ""};
}

void add_brittleness(Run& run, int layers, Philox& rng) {
  const std::vector<double> eps{0.003, 0.01, 0.03, 0.1, 0.3, 1.0};
  for (int state = 0; state <= layers; ++state) {
    const double kappa = kappa_at(state, layers);
    run.trace.curves.push_back(make_curve("relative_noise", Axis::state, state, eps, kappa, rng));
    const bool undefined = state == layers;
    run.findings.kappa.push_back({.state = state,
                                  .kappa = undefined ? kUndefined : kappa,
                                  .standard_error = undefined ? kUndefined : 0.06 * kappa,
                                  .strengths_used = {0.003, 0.01, 0.03},
                                  .critical_strength = state % 5 == 4 ? kUndefined : std::sqrt(1.4 / kappa),
                                  .fisher = 1.02 * kappa,
                                  .fisher_error = 0.05 * kappa,
                                  .difference_z = undefined ? kUndefined : -0.8,
                                  .note = undefined ? "no strength with log-log slope 2 +- 0.15" : ""});
    run.findings.splits.push_back(make_split(state, layers));
  }
  for (int block = 0; block < layers; ++block) {
    run.trace.curves.push_back(
        make_curve("block_skip", Axis::block, block, {1.0}, 0.1 + 0.01 * kappa_at(block, layers), rng));
  }
  for (const Segment& segment : run.findings.segments) {
    const double kappa = kappa_at((segment.begin + segment.end) / 2, layers);
    const StateSplit split = make_split((segment.begin + segment.end) / 2, layers);
    run.findings.brittleness.push_back(
        {.segment = segment,
         .forced = run.findings.segments_forced,
         .kappa_geometric = kappa,
         .kappa_arithmetic = 1.1 * kappa,
         .kappa_interval_90 = {.lo = 0.8 * kappa, .hi = 1.25 * kappa},
         .skip_kl_nats = 0.3,
         .means = {{"relative", "kl", "backward", kappa, 1.1 * kappa, ""},
                   {"absolute", "kl", "backward", split.absolute, 1.2 * split.absolute, ""}},
         .rms_effective = split.rms_effective,
         .rms_median = split.rms_median,
         .note = ""});
  }
}

// Eigenvalues that fall off as a power, steeper with depth.
SpectrumRecord make_spectrum(int layers) {
  constexpr std::size_t kEntries = 6;
  SpectrumRecord spectrum{.width = kEntries, .n_tokens = 4000, .entries = kEntries, .note = "invented"};
  spectrum.value = Matrix(size(layers) + 1, kEntries);
  spectrum.multiplicity = Matrix(size(layers) + 1, kEntries, 1.0);
  spectrum.shrinkage.assign(size(layers) + 1, 0.01);
  for (std::size_t s = 0; s < spectrum.value.rows; ++s) {
    for (std::size_t i = 0; i < kEntries; ++i) {
      const double power = 1.0 + static_cast<double>(s) / layers;
      spectrum.value(s, i) = std::pow(1.0 + static_cast<double>(i), -power);
    }
  }
  return spectrum;
}

// R, D and beta of a state with this kappa in the quadratic range of make_spectrum's six directions.
RateDistortion make_rate_distortion(double kappa) {
  RateDistortion curve;
  for (const double eps : {0.003, 0.01, 0.03, 0.1, 0.3, 1.0}) {
    curve.points.push_back({.strength = eps,
                            .rate_nats = -6.0 * std::log(eps / (1.0 + eps)),
                            .distortion_nats = kappa * eps * eps / 2,
                            .distortion_error = 0.02 * kappa * eps * eps,
                            .effective_dimension = 6.0 / (1.0 + eps),
                            .beta = kappa * eps * eps * (1.0 + eps) / 6.0,
                            .ln_beta_error = 0.04});
  }
  curve.matched = {{0.001, std::sqrt(0.002 / kappa), 20.0, 5.9, 0.002 / 5.9},
                   {0.01, std::sqrt(0.02 / kappa), 14.0, 5.6, 0.02 / 5.6},
                   {0.1, kUndefined, kUndefined, kUndefined, kUndefined}};
  curve.note = "no strength with a distortion of 0.1 nats";
  return curve;
}

BottleneckCurve make_bottleneck(int state, double kappa) {
  BottleneckCurve curve{
      .state = state, .train_tokens = 1024, .held_out_tokens = 1024, .steps = 150, .hidden = 32};
  const RateDistortion gaussian = make_rate_distortion(kappa);
  for (std::size_t i = 2; i < gaussian.points.size(); ++i) {
    const RatePoint& start = gaussian.points[i];
    curve.points.push_back({start.beta, 0.8 * start.rate_nats, 0.1, 0.9 * start.distortion_nats,
                            0.05 * start.distortion_nats, start.strength, start.rate_nats,
                            start.distortion_nats});
  }
  return curve;
}

void add_rate_distortion(Run& run, int layers) {
  run.trace.spectra = {make_spectrum(layers)};
  for (int state = 0; state <= layers; ++state) {
    run.findings.rate_distortion.push_back({state, make_rate_distortion(kappa_at(state, layers))});
  }
  for (const Segment& segment : run.findings.segments) {
    const double kappa = kappa_at((segment.begin + segment.end) / 2, layers);
    run.findings.segment_rate_distortion.push_back(
        {segment, run.findings.segments_forced, make_rate_distortion(kappa)});
    run.trace.bottlenecks.push_back(make_bottleneck(segment.begin, kappa_at(segment.begin, layers)));
  }
}

// Three tokens; deeper states are surer of the next one.
LensPassage make_passage(int layers) {
  LensPassage passage{.token_id = {0, 5, 7},
                      .vocabulary = {{0, "<s>"}, {5, " the"}, {7, " </td><b>"}, {9, "\xe6\xb0\xb4"}}};
  for (int state = 0; state <= layers; ++state) {
    const double sure = 0.1 + 0.8 * state / layers;
    passage.rows.push_back(
        {.token_id = {state < layers / 2 ? 9 : 5, 7, 9}, .probability = {sure, 0.5 * sure, sure}});
  }
  return passage;
}

// Shuffled text, compared on a sample, and two networks with random weights.
std::vector<NullProfile> null_profiles(const Trace& trace, int layers) {
  NullProfile text{.kind = kShuffledText, .runs = 1, .documents = 8, .tokens = 4096, .note = "a sample"};
  NullProfile random{.kind = kRandomWeights, .runs = 2, .documents = 16, .tokens = 20000, .note = ""};
  for (const Series& series : trace.series) {
    if (series.group == Group::control || series.tokens != TokenSet::ordinary) continue;
    const auto mean = mean_over_documents(series);
    NullSeries null{.id = series.id,
                    .axis = series.axis,
                    .mean = mean,
                    .low = {},
                    .high = {},
                    .model = mean,
                    .correlation = 0.96,
                    .difference = 0.05};
    text.series.push_back(null);
    null.model.clear();
    null.low = null.high = mean;
    random.series.push_back(null);
  }
  for (NullProfile* profile : {&text, &random}) {
    profile->compared = static_cast<int>(profile->series.size());
    profile->median_correlation = 0.96;
    profile->median_difference = 0.05;
    profile->likeness = "same";
  }
  text.detections = {{.detector = "kernel_cka",
                      .defined = true,
                      .note = "",
                      .verdict = "1 boundary",
                      .selected_k = 1,
                      .edges = {layers / 2}}};
  return {text, random};
}

void add_cards(Trace& trace, int layers) {
  trace.run = {.tool_version = "0.1.0",
               .seed = 18446744073709551615u,
               .context = 512,
               .compute_dtype = "float32",
               .bos_policy = "no beginning-of-text token",
               .corpus_name = "tales",
               .corpus_sha256 = std::string(64, 'a'),
               .tokenizer_sha256 = std::string(64, 'b'),
               .positions = 4096,
               .lane_tokens = 2048,
               .lens_positions = 64,
               .surrogates = 999,
               .replicates = 5};
  trace.model = {.name = fmt::format("invented-{}", layers),
                 .family = "llama",
                 .architecture = "LlamaForCausalLM",
                 .n_layers = layers,
                 .hidden = 256,
                 .ffn = 688,
                 .heads = 8,
                 .kv_heads = 4,
                 .head_dim = 32,
                 .vocab = 4096,
                 .max_context = 2048,
                 .rope_theta = 10000.0,
                 .rope_scaling = "none",
                 .norm_eps = 1e-5,
                 .tied_embeddings = true,
                 .qkv_bias = false,
                 .qk_norm = true,
                 .parameters = 12345678,
                 .embedding_parameters = 1048576,
                 .block_parameters = 11297102,
                 .weight_dtype = "BF16",
                 .checkpoint_sha256 = std::string(64, 'c'),
                 .checkpoint_digest_kind = "tensors"};
  for (int d = 0; d < kDocuments; ++d) {
    trace.documents.push_back({.name = fmt::format("{:02}.txt", d + 1),
                               .bytes = 2000 + 37 * d,
                               .tokens = 500 + 8 * d,
                               .scored = 499 + 8 * d,
                               .windows = 1,
                               .dropped_tokens = d % 3,
                               .nll_nats = 3.1 + 0.05 * d,
                               .lane_tokens = d < 8 ? 256 : 0});
    trace.n_tokens += trace.documents.back().tokens;
  }
}

}  // namespace

Run synthetic_run(int layers) {
  Philox rng({.seed = 5, .stream = Stream::test});
  Run run;
  add_cards(run.trace, layers);
  for (const Shape& shape : shapes()) {
    for (const TokenSet tokens : {TokenSet::ordinary, TokenSet::all}) {
      run.trace.series.push_back(make_series(shape, tokens, layers, rng));
      if (shape.id != "attention_entropy") continue;
      Series& series = run.trace.series.back();
      for (std::size_t d = 0; d < kDocuments; ++d) series.by_doc(d, 2) = kUndefined;
      series.note = "block 2: no window has 64 visible keys";
    }
  }
  run.trace.cka = {make_cka(TokenSet::ordinary, StateScale::token_rms, layers, rng),
                   make_cka(TokenSet::all, StateScale::token_rms, layers, rng),
                   make_cka(TokenSet::ordinary, StateScale::raw, layers, rng)};
  run.trace.sinks = {{.document = 0,
                      .window = 0,
                      .position = 17,
                      .token_id = 11,
                      .text = "</script><b>,",
                      .onset_state = 2,
                      .offset_state = layers - 1,
                      .dimension = 131,
                      .peak_ratio = 812.5},
                     {.document = 3,
                      .window = 0,
                      .position = 40,
                      .token_id = 198,
                      .text = "\\n",
                      .onset_state = 2,
                      .offset_state = layers,
                      .dimension = 131,
                      .peak_ratio = 91.0}};
  add_carriers(run, layers);
  run.trace.lens_passages = {make_passage(layers)};
  run.trace.n_massive = 2;
  run.trace.warnings = {"block 0 is cheaper to skip than to keep <in this invented run>"};

  Findings& f = run.findings;
  f.detections = {make_detection("kernel_cka", TokenSet::ordinary, layers, 0, rng),
                  make_detection("kernel_cka", TokenSet::all, layers, -1, rng),
                  make_detection("fused", TokenSet::ordinary, layers, 1, rng),
                  make_detection("fused", TokenSet::all, layers, 0, rng)};
  f.detections[3].selected_k = 1;
  f.detections[3].verdict = "1 boundary";
  f.detections[3].boundaries.pop_back();
  for (const TokenSet tokens : {TokenSet::ordinary, TokenSet::all}) {
    for (const char* detector : {"either", "signals", "states"})
      f.detections.push_back(make_steps(detector, tokens, layers, rng));
  }
  f.headline = 4;
  const int first = layers / 4;
  const int second = 3 * layers / 4;
  Reproduction rule{.rule = "fused_top_two_peaks", .defined = true, .note = "", .edges = {first, second}};
  rule.difference.assign(size(layers) - 1, 0.5);
  rule.threshold = kUndefined;
  f.reproductions = {rule};
  f.groups_left_out = {{.group = Group::output,
                        .defined = true,
                        .note = "",
                        .verdict = "2 boundaries",
                        .selected_k = 2,
                        .edges = {first, second},
                        .forced_two = {first, second}}};
  f.random_twins = {{.detector = "either",
                     .defined = true,
                     .note = "",
                     .observed = 12.5,
                     .statistic = {3.25, -7.5},
                     .selected_k = {1, 0},
                     .verdict = {"1 boundary", "smooth"},
                     .forced_two = Matrix(2, 2, 3.0),
                     .rank = 1,
                     .p_value = 1.0 / 3.0}};
  f.null_profiles = null_profiles(run.trace, layers);
  f.agreement = {{.detectors = {"kernel_cka", "fused"}, .distance = Matrix(2, 2), .note = ""}};
  f.segments = {{.name = "Local", .begin = 0, .end = first},
                {.name = "Intermediate", .begin = first, .end = second},
                {.name = "Global", .begin = second, .end = layers}};
  f.start_up = {.name = "start-up", .begin = 0, .end = 1};
  f.read_out = {.name = "read-out", .begin = layers - 1, .end = layers};
  f.segments.front().begin = 1;
  f.segments.back().end = layers - 1;
  f.edge_changes = {make_change(first, false), make_change(second, false), make_change(first + 1, true)};
  f.odd_blocks = {{.block = layers / 2, .evidence = 1.6, .p_value = 0.005, .signals = {"update_ratio"}}};
  f.sentences = {fmt::format("Two boundaries: blocks [0,{}) Local, [{},{}) Intermediate, [{},{}) Global.",
                             first, first, second, second, layers),
                 "One jump beats every smooth model (p = 0.001) and two beat one (p = 0.004).",
                 "The Local segment is the most brittle: kappa 247 nats."};
  add_brittleness(run, layers, rng);
  add_rate_distortion(run, layers);
  return run;
}

Run undefined_run(int layers) {
  Run run = synthetic_run(layers);
  for (Series& series : run.trace.series) {
    std::fill(series.by_doc.data.begin(), series.by_doc.data.end(), kUndefined);
    std::fill(series.weight.begin(), series.weight.end(), 0.0);
    series.note = "no window has 64 tokens";
  }
  for (CkaRecord& cka : run.trace.cka) {
    cka = {.tokens = cka.tokens,
           .scale = cka.scale,
           .value = {},
           .replicates = {},
           .n_tokens = 120,
           .n_batches = 0,
           .note = "fewer than 16 windows"};
  }
  for (Detection& d : run.findings.detections) {
    Detection empty;
    empty.detector = d.detector;
    empty.tokens = d.tokens;
    empty.role = d.role;
    empty.note = "no CKA matrix: fewer than 16 windows";
    empty.verdict = "undefined";
    d = empty;
  }
  run.findings.headline = -1;
  run.findings.reproductions[0].defined = false;
  run.findings.reproductions[0].note = "no signal can be fused for these tokens";
  run.findings.reproductions[0].edges.clear();
  run.findings.reproductions[0].difference.clear();
  run.findings.groups_left_out.clear();
  run.findings.agreement.clear();
  run.findings.segments.clear();
  run.findings.start_up = run.findings.read_out = {};
  run.findings.edge_changes.clear();
  run.findings.odd_blocks.clear();
  run.findings.brittleness.clear();
  run.findings.splits.clear();
  run.findings.random_twins[0].defined = false;
  run.findings.random_twins[0].note = "the detection is undefined in this model";
  run.findings.rate_distortion.clear();
  run.findings.segment_rate_distortion.clear();
  run.trace.spectra = {{.width = 64, .n_tokens = 40, .note = "40 sampled tokens, at least 64 are needed"}};
  run.findings.sentences = {"No boundaries: the CKA matrix is undefined (fewer than 16 windows)."};
  for (KappaEstimate& kappa : run.findings.kappa) {
    kappa = {.state = kappa.state,
             .kappa = kUndefined,
             .standard_error = kUndefined,
             .strengths_used = {},
             .critical_strength = kUndefined,
             .fisher = kUndefined,
             .fisher_error = kUndefined,
             .difference_z = kUndefined,
             .note = "no lanes were run"};
  }
  run.trace.curves.clear();
  run.trace.bottlenecks.clear();
  run.trace.sinks.clear();
  run.trace.mask_counts.clear();
  run.trace.sink_paths.clear();
  run.trace.carriers.clear();
  run.findings.carriers.clear();
  run.trace.lens_passages.clear();
  run.trace.n_massive = 0;
  run.trace.documents.resize(3);
  for (Series& series : run.trace.series) {
    series.by_doc = Matrix(3, series.by_doc.cols, kUndefined);
    series.weight.resize(3);
  }
  return run;
}

Run tiny_run() {
  Run run = synthetic_run(8);
  Trace& trace = run.trace;
  trace.model.n_layers = 3;
  trace.documents.resize(2);
  trace.documents[0].lane_tokens = 100;
  trace.documents[1].lane_tokens = 300;
  trace.sinks.clear();
  trace.mask_counts.clear();
  trace.sink_paths.clear();
  trace.carriers.clear();
  run.findings.carriers.clear();
  trace.cka.clear();
  trace.spectra.clear();
  trace.bottlenecks.clear();
  trace.lens_passages.clear();
  trace.series.clear();
  Series step{.id = "angular_step",
              .unit = "pi rad",
              .axis = Axis::block,
              .group = Group::representation,
              .tokens = TokenSet::ordinary,
              .by_doc = Matrix(2, 3),
              .weight = {1, 3},
              .note = ""};
  step.by_doc.data = {0.5, 0.25, kUndefined, 0.75, 0.25, kUndefined};
  trace.series.push_back(step);
  step.tokens = TokenSet::all;
  step.by_doc.data = {1, 2, 3, 1, 2, kUndefined};
  trace.series.push_back(step);
  trace.series.push_back({.id = "residual_rms",
                          .unit = "rms",
                          .axis = Axis::state,
                          .group = Group::control,
                          .tokens = TokenSet::ordinary,
                          .by_doc = Matrix(2, 4, 1e-7),
                          .weight = {1, 1},
                          .note = ""});
  DoseCurve curve{.intervention = "relative_noise",
                  .site = "state",
                  .strength_unit = "token rms",
                  .axis = Axis::state,
                  .place = 1,
                  .span = 1,
                  .strength = {0.1, 1},
                  .kl_nats = Matrix(2, 2),
                  .delta_nll_nats = Matrix(2, 2, kUndefined)};
  curve.kl_nats.data = {0.5, 4, 0.5, 8};
  trace.curves = {curve};
  Findings& f = run.findings;
  f = {};
  f.segments = {{.name = "Local, or not", .begin = 0, .end = 2}};
  f.kappa = {{.state = 1,
              .kappa = 2.5,
              .standard_error = 0.125,
              .strengths_used = {0.1},
              .critical_strength = kUndefined,
              .fisher = 2.25,
              .fisher_error = 0.5,
              .difference_z = -1.5,
              .note = ""}};
  Detection found;
  found.detector = "kernel_cka";
  found.defined = true;
  found.boundaries = {
      {.edge = 2, .interval_90 = {.lo = 1, .hi = 2}, .modal_share = 0.75, .histogram = {0.25, 0.75}}};
  Detection missing;
  missing.detector = "kernel_cka";
  missing.tokens = TokenSet::all;
  missing.note = "too few windows";
  f.detections = {found, missing};
  f.headline = 0;
  return run;
}

}  // namespace strata::test
