#include "strata/sweep/measure.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/base/words.h"
#include "strata/model/backend.h"
#include "strata/model/head.h"
#include "strata/record/persist.h"
#include "strata/signals/sinks.h"
#include "strata/sweep/backward_sweep.h"
#include "strata/sweep/bottleneck_sweep.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/model_warnings.h"
#include "strata/sweep/noise_floor.h"
#include "strata/sweep/selection.h"
#include "strata/sweep/snapshots.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

ModelCard card_of(const Checkpoint& checkpoint) {
  const ModelConfig& c = checkpoint.config();
  const ParameterCount count = count_parameters(c);
  std::set<std::string> dtypes;
  for (const TensorInfo& tensor : checkpoint.tensors()) dtypes.insert(to_string(tensor.dtype));
  ModelCard card;
  card.name = checkpoint.name();
  card.hub_id = checkpoint.location().hub_id;
  card.revision = checkpoint.location().revision;
  card.family = c.family;
  card.architecture = c.architecture;
  card.n_layers = c.n_layers;
  card.hidden = c.hidden;
  card.ffn = c.ffn;
  card.heads = c.heads;
  card.kv_heads = c.kv_heads;
  card.head_dim = c.head_dim;
  card.vocab = c.vocab;
  card.max_context = c.max_context;
  card.rope_theta = c.rope_theta;
  card.rope_scaling = rope_scaling_name(c);
  card.norm_eps = c.norm_eps;
  card.tied_embeddings = c.tied_embeddings;
  card.qkv_bias = c.qkv_bias;
  card.qk_norm = c.qk_norm;
  card.parameters = count.total;
  card.embedding_parameters = count.embedding;
  card.block_parameters = count.per_block;
  card.weight_dtype = fmt::format("{}", fmt::join(dtypes, ", "));
  card.checkpoint_sha256 = checkpoint.digest();
  card.checkpoint_digest_kind = to_string(checkpoint.digest_kind());
  if (!c.has_head) {
    const PoolingChoice pooling = read_pooling(checkpoint);
    card.no_head = kNoHead;
    card.pooling = fmt::format("{} ({})", to_string(pooling.pooling), pooling.source);
  }
  return card;
}

// Token text for people: control characters and bytes outside ASCII's printable range are escaped.
std::string printable(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return out;
}

// The same for a page that shows any script: whole UTF-8 stays as it is, but for control characters.
std::string shown(const std::string& bytes) {
  if (invalid_utf8_offset(bytes)) return printable(bytes);
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(bytes, at);
    const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    const std::string text = bytes.substr(begin, at - begin);
    out += control ? printable(text) : text;
  }
  return out;
}

void add_documents(Trace& trace, const SweepContext& context, const std::vector<DocumentLoss>& losses,
                   const std::vector<LaneWindow>& sample, const Tokenizer* tokenizer) {
  for (std::size_t d = 0; d < context.corpus.documents.size(); ++d) {
    const CorpusDocument& from = context.corpus.documents[d];
    trace.documents.push_back({.name = from.name,
                               .bytes = from.bytes,
                               .scored = losses[d].scored,
                               .dropped_tokens = from.dropped_tokens,
                               .nll_nats = losses[d].nll_nats});
  }
  for (std::size_t w = 0; w < context.corpus.windows.size(); ++w) {
    Document& document = trace.documents[static_cast<std::size_t>(context.corpus.windows[w].document)];
    document.tokens += context.tokens_in(w);
    ++document.windows;
  }
  for (const LaneWindow& lane : sample) {
    const auto d = static_cast<std::size_t>(context.corpus.windows[lane.window].document);
    trace.documents[d].lane_tokens += lane.tokens;
    if (tokenizer == nullptr) continue;
    const auto& ids = context.corpus.windows[lane.window].ids;
    for (std::size_t t = 1; t < static_cast<std::size_t>(lane.tokens); ++t)
      trace.documents[d].lane_bytes += static_cast<std::int64_t>(tokenizer->token_bytes(ids[t]).size());
  }
}

// The text of every token that the record names.
void name_tokens(const Tokenizer& tokenizer, Trace& trace) {
  const auto text = [&](std::int32_t id) { return printable(tokenizer.token_bytes(id)); };
  for (SinkToken& sink : trace.sinks) sink.text = text(sink.token_id);
  for (SinkPath& path : trace.sink_paths) {
    if (path.token_id >= 0) path.text = text(path.token_id);
  }
  for (StateCarrier& carrier : trace.carriers) {
    for (CarrierDirection* direction : {&carrier.dimension, &carrier.component}) {
      for (CarrierWord& word : direction->words) word.text = text(word.token_id);
    }
  }
  for (LensPassage& passage : trace.lens_passages) {
    for (TokenText& token : passage.vocabulary) {
      if (tokenizer.has_token(token.id)) token.text = shown(tokenizer.token_bytes(token.id));
    }
  }
}

// What a reader of a base model's record must know first.
std::string headless_warning(const Checkpoint& checkpoint) {
  const PoolingChoice pooling = read_pooling(checkpoint);
  return fmt::format(
      "a base model without an output head: next-token loss, logit lens, KL, kappa and rate-distortion are "
      "undefined; brittleness is the distance of its embedding ({}, {})",
      to_string(pooling.pooling), pooling.source);
}

// Whether the lanes of the curve ran on this document.
bool in_lanes(const Trace& trace, const DoseCurve& curve, std::size_t document) {
  if (trace.documents[document].lane_tokens == 0) return false;
  return curve.documents.empty() ||
         std::binary_search(curve.documents.begin(), curve.documents.end(), static_cast<int>(document));
}

// A lane whose logits overflow has no KL; the curve then has a gap, and the reader must know why.
void warn_of_gaps(const std::vector<DoseCurve>& curves, Trace& trace) {
  for (const DoseCurve& curve : curves) {
    const Matrix& damage = damage_of(curve);
    for (std::size_t s = 0; s < curve.strength.size(); ++s) {
      std::size_t gaps = 0;
      for (std::size_t d = 0; d < trace.documents.size(); ++d) {
        if (in_lanes(trace, curve, d) && !std::isfinite(damage(d, s))) ++gaps;
      }
      if (gaps == 0) continue;
      trace.warnings.push_back(
          fmt::format("{} at {} {}, strength {}: undefined in {}, the perturbed model "
                      "overflows float32 there",
                      curve.intervention, to_string(curve.axis), curve.place, curve.strength[s],
                      counted(gaps, "document")));
    }
  }
}

// The state of the model itself; the lanes' warnings come before.
void warn_of_model(const Checkpoint& checkpoint, Trace& trace) {
  double nll = 0.0;
  std::int64_t scored = 0;
  for (const Document& document : trace.documents) {
    if (document.scored == 0) continue;
    nll += static_cast<double>(document.scored) * document.nll_nats;
    scored += document.scored;
  }
  const double mean = scored > 0 ? nll / static_cast<double>(scored) : 0.0;
  for (auto& warning : weight_warnings(checkpoint)) trace.warnings.push_back(std::move(warning));
  if (!checkpoint.config().has_head) return;
  for (auto& warning : loss_warnings(mean, checkpoint.config().vocab))
    trace.warnings.push_back(std::move(warning));
}

// Curves into the record, without what cannot be told from the arithmetic (that is no overflow: hence the
// order).
void add_curves(Trace& trace, std::vector<DoseCurve> curves, const std::optional<NoiseFloor>& floor) {
  warn_of_gaps(curves, trace);
  if (floor) refuse_below(*floor, curves, trace.warnings);
  std::move(curves.begin(), curves.end(), std::back_inserter(trace.curves));
}

RunCard run_card(const MeasureInput& input, const SweepContext& context, const MeasureOptions& options) {
  RunCard run;
  run.seed = options.seed;
  std::int64_t longest = 0;
  for (std::size_t w = 0; w < context.corpus.windows.size(); ++w)
    longest = std::max(longest, context.tokens_in(w));
  run.context = static_cast<int>(longest);
  run.compute_dtype = to_string(options.compute.dtype);
  run.device = options.compute.backend->name();
  run.bos_policy = input.corpus.bos_policy;
  run.corpus_name = input.corpus.name;
  run.corpus_sha256 = input.corpus.sha256;
  if (input.tokenizer != nullptr) run.tokenizer_sha256 = input.tokenizer->sha256();
  run.positions = options.positions;
  run.lane_tokens = options.lane_tokens;
  run.lens_positions = options.lens_positions;
  run.replicates = options.replicates;
  return run;
}

// Per token of the vocabulary: whether the text has it.
std::vector<char> used_tokens(const SweepContext& context) {
  std::vector<char> used(static_cast<std::size_t>(context.config.vocab), 0);
  for (const Window& window : context.corpus.windows) {
    for (const std::int32_t id : window.ids) used.at(static_cast<std::size_t>(id)) = 1;
  }
  return used;
}

// The allocator keeps what is freed; the next phase shall find it.
void give_memory_back() {
#ifdef __GLIBC__
  (void)malloc_trim(0);
#endif
}

ProgressEvent signal_step(std::size_t done, std::size_t signals) {
  return {"signals", static_cast<int>(done), static_cast<int>(signals), 0};
}

// What the lanes and the record need of the clean sweep.
struct Clean {
  std::vector<TokenClass> classes;
  std::vector<DocumentLoss> losses;
};

// The clean sweep with every wanted signal; fills `trace` and loads `head` when the blocks are gone. The
// sweep has been saved when the signals begin; the last step of "signals" is the caller's to report.
Clean measure_clean(const Checkpoint& checkpoint, SweepContext context, const Embedding& embedding,
                    HeadWeights& head, const MeasureOptions& options, const Progress& progress,
                    Trace& trace) {
  const auto wanted = selected_signals(options, context.config);
  auto accumulators = make_accumulators(wanted, context);
  SinkTracker tracker(context);
  Clean clean;
  std::size_t done = 0;
  const auto signals_done = [&](Archive& archive) {
    archive(done);
    persist(archive, trace);
    archive(clean.classes);
    archive(clean.losses);
    archive(tracker);
    for (std::size_t i = done; i < accumulators.size(); ++i) archive(*accumulators[i]);
  };
  if (options.snapshots != nullptr && options.snapshots->load("signals", signals_done)) {
    head = load_output(checkpoint, embedding);
  } else {
    CleanSweep sweep = run_clean_sweep(checkpoint, context, embedding, accumulators, needs_of(wanted),
                                       tracker, options, progress);
    give_memory_back();
    head = load_output(checkpoint, embedding);
    clean = {.classes = std::move(sweep.classes),
             .losses = document_losses(head, context, sweep.states, options)};
  }
  give_memory_back();
  for (; done < accumulators.size(); ++done) {
    if (done < wanted.size()) {
      report_and_save(progress, signal_step(done, wanted.size()), options.snapshots, "signals", signals_done);
    }
    accumulators[done]->finish({.sweep = context, .classes = clean.classes, .head = head, .trace = trace});
    accumulators[done].reset();
  }
  tracker.finish(trace);
  return clean;
}

}  // namespace

ModelCard model_card(const Checkpoint& checkpoint) {
  return card_of(checkpoint);
}

Trace measure(const MeasureInput& input, const MeasureOptions& asked, const Progress& progress) {
  MeasureOptions options = asked;
  require_compute(options.compute);
  std::optional<Snapshots> saved;
  if (!options.snapshot_directory.empty()) {
    saved.emplace(options.snapshot_directory, options.snapshot_key, input.checkpoint, options.snapshot_share);
    options.snapshots = &*saved;
  }
  Trace trace;
  trace.warnings = input.corpus.warnings;
  for (const std::string& note : input.checkpoint.notes()) trace.warnings.push_back(note);
  if (!input.checkpoint.config().has_head) trace.warnings.push_back(headless_warning(input.checkpoint));
  if (std::string warning = equal_documents_warning(input.corpus); !warning.empty())
    trace.warnings.push_back(std::move(warning));
  for (std::string& line : missing_objects(options, input.checkpoint.config()))
    trace.warnings.push_back(std::move(line));
  SweepContext context = make_context(input.checkpoint.config(), input.corpus);
  context.seed = options.seed;
  context.positions = options.positions;
  context.lens_positions = options.lens_positions;
  context.replicates = options.replicates;
  context.threads = options.threads;

  context.place = sample_place(options);
  context.finish_bytes = options.memory.finish_bytes;

  Snapshots* const snapshots = options.snapshots;
  const auto whole = [&](Archive& archive) { persist(archive, trace); };
  if (snapshots != nullptr && snapshots->load("measured", whole)) return trace;

  const Embedding embedding =
      options.memory.gather ? load_embedding_rows(input.checkpoint, used_tokens(context), options.compute)
                            : load_embedding(input.checkpoint, options.compute);
  Clean clean;
  const auto after_clean = [&](Archive& archive) {
    persist(archive, trace);
    archive(clean.classes);
    archive(clean.losses);
  };
  HeadWeights head;
  if (snapshots != nullptr && snapshots->load("clean", after_clean)) {
    head = load_output(input.checkpoint, embedding);
  } else {
    clean = measure_clean(input.checkpoint, context, embedding, head, options, progress, trace);
    if (snapshots != nullptr) {
      snapshots->save("clean", after_clean);
      for (const char* finished : {"sweep", "signals"}) snapshots->remove(finished);
    }
    const std::size_t signals = selected_signals(options, context.config).size();
    report_progress(progress, signal_step(signals, signals));
  }
  const std::vector<TokenClass>& classes = clean.classes;

  const auto sample = lane_sample(context, options.lane_tokens);
  const LaneModel model{input.checkpoint, embedding, head};
  const LaneEngineInput lanes{
      .model = model, .context = context, .classes = classes, .sample = sample, .options = options};
  // What the record says beside the sensitivities and the lanes, so that boundaries are found before those.
  trace.n_tokens = context.token_count();
  add_documents(trace, context, clean.losses, sample, input.tokenizer);
  if (input.tokenizer != nullptr) name_tokens(*input.tokenizer, trace);
  trace.run = run_card(input, context, options);
  trace.model = card_of(input.checkpoint);
  std::vector<Segment> segments;
  if (options.find_segments) segments = options.find_segments(trace);
  give_memory_back();

  const auto backward_sample = documents_of(context, sample, 0, options.backward_documents);
  const auto sweep_back = [&](bool frozen) {
    for (Series& series : run_backward_sweep(input.checkpoint, context, classes, embedding, head,
                                             backward_sample, options, progress, frozen)) {
      trace.series.push_back(std::move(series));
    }
  };
  if (wants_backward_sweep(options)) sweep_back(false);
  if (wants_frozen_sweep(options, context.config)) sweep_back(true);
  if (options.swept_back) options.swept_back(trace);
  give_memory_back();

  std::optional<NoiseFloor> floor;
  if (wants_noise_floor(options)) {
    floor = measure_noise_floor(input.checkpoint, context, embedding, head, sample, options, progress);
    trace.warnings.push_back(noise_floor_text(*floor, options.compute.dtype));
    trace.run.noise_floor_nats = floor->kl_nats;
    trace.run.noise_floor_distance = floor->distance;
    give_memory_back();
  }
  add_curves(trace, measure_curves(lanes, {}, progress), floor);
  give_memory_back();
  if (!segments.empty() && segment_lane_cost(context, sample, options, 1).lanes > 0) {
    LaneEngineInput joint = lanes;
    joint.phase = "lanes over segments";
    add_curves(trace, measure_curves(joint, segments, progress), floor);
  }
  warn_of_model(input.checkpoint, trace);
  if (options.plan_bottlenecks) {
    trace.bottlenecks = run_bottlenecks(lanes, options.plan_bottlenecks(trace), progress);
  }
  if (snapshots != nullptr) {
    snapshots->save("measured", whole);
    for (const char* done : {"sweep", "clean", "backward", "backward frozen"}) snapshots->remove(done);
    for (const char* phase : {"lanes", "lanes over segments"}) {
      for (const std::string& done : lane_snapshots(phase)) snapshots->remove(done);
    }
  }
  return trace;
}

}  // namespace strata
