#include "strata/sweep/divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "strata/base/archive.h"
#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/base/words.h"
#include "strata/model/backend.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "strata/record/persist.h"
#include "strata/signals/per_token.h"
#include "strata/signals/sinks.h"
#include "strata/signals/token_math.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/likeness.h"
#include "strata/sweep/model_warnings.h"
#include "strata/sweep/scratch.h"
#include "strata/sweep/snapshots.h"
#include "strata/sweep/substitution.h"

namespace strata {
namespace {

constexpr SeriesInfo kRelativeDifference = {"relative_difference", "1", Axis::state, Group::control};
constexpr SeriesInfo kCosineDistance = {"cosine_distance", "1", Axis::state, Group::control};
constexpr SeriesInfo kLocalError = {"local_error", "1", Axis::block, Group::control};

void check_twins(const Checkpoint& original, const Checkpoint& other) {
  struct Dimension {
    const char* name;
    int original, other;
  };
  const ModelConfig &a = original.config(), &b = other.config();
  std::string found;
  for (const Dimension& d :
       {Dimension{"blocks", a.n_layers, b.n_layers}, Dimension{"hidden size", a.hidden, b.hidden},
        Dimension{"vocabulary", a.vocab, b.vocab}}) {
    if (d.original == d.other) continue;
    found += fmt::format("{}{} {} against {}", found.empty() ? "" : ", ", d.name, d.original, d.other);
  }
  if (found.empty()) return;
  throw Error(ErrorKind::usage,
              {.where = fmt::format("{} and {}", original.path().string(), other.path().string()),
               .found = found,
               .expected = "two versions of one model: the same depth, width and vocabulary"});
}

// |error| / |size|: 0 where there is no error, undefined where there is nothing to compare it with.
double relative(double square_error, double square_size) {
  if (square_error == 0.0) return 0.0;
  return square_size > 0.0 ? std::sqrt(square_error / square_size) : std::numeric_limits<double>::quiet_NaN();
}

struct PairScratch {
  BlockScratch block;
  std::vector<float> out, crossed;
};

// Sums of one window at the output.
struct OutputSums {
  double kl = 0.0, nll_original = 0.0, nll_other = 0.0;
  std::int64_t same_top = 0, differing = 0, scored = 0;
};

// Both models side by side. Everything per token is kept until the end, when the sink tokens are known.
class JointSweep {
 public:
  JointSweep(const DivergenceInput& input, const SweepContext& context, const MeasureOptions& options)
      : input_(input),
        context_(context),
        options_(options),
        relative_(context.config.n_layers + 1, context),
        cosine_(context.config.n_layers + 1, context),
        local_(context.config.n_layers, context),
        tracker_(context) {
    std::int64_t longest = 0;
    for (std::size_t w = 0; w < windows(); ++w) longest = std::max(longest, context.tokens_in(w));
    rope_ = make_rope_table(context.config, static_cast<int>(longest));
    other_rope_ = make_rope_table(input.other.config(), static_cast<int>(longest));
    const auto size = static_cast<std::size_t>(context.token_count() * context.config.hidden);
    h_.resize(size);
    other_h_.resize(size);
  }

  void run(const Embedding& embedding, const Embedding& other_embedding, const Progress& progress) {
    const int n_layers = context_.config.n_layers;
    BlockStream blocks(input_.original, 0, options_.compute), other_blocks(input_.other, 0, options_.compute);
    each_window([&](std::size_t w) {
      embed(embedding, context_.corpus.windows[w].ids, state(h_, w));
      embed(other_embedding, context_.corpus.windows[w].ids, state(other_h_, w));
      observe(0, w);
    });
    tracker_.end_state(0);
    for (int block = 0; block < n_layers; ++block) {
      report_progress(progress, {"joint sweep", block, n_layers, 2 * context_.token_count()});
      const BlockWeights weights = blocks.next(), others = other_blocks.next();
      each_window([&](std::size_t w) { step(weights, others, block, w); });
      tracker_.end_state(block + 1);
    }
    report_progress(progress, {"joint sweep", n_layers, n_layers, 0});
  }

  // The output of both heads, window by window.
  std::vector<OutputSums> compare_outputs(const HeadWeights& head, const HeadWeights& other_head) {
    std::vector<OutputSums> sums(windows());
    parallel_for(windows(), options_.threads,
                 [&](std::size_t w) { sums[w] = output_of(head, other_head, w); });
    return sums;
  }

  void add_series(const HeadWeights& head, DivergenceRecord& record) const {
    Trace unused;
    const FinishContext finish{
        .sweep = context_, .classes = tracker_.classes(), .head = head, .trace = unused};
    for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
      record.series.push_back(fold_table(relative_, finish, kRelativeDifference, set, Fold::median));
      record.series.push_back(fold_table(cosine_, finish, kCosineDistance, set, Fold::median));
      record.series.push_back(fold_table(local_, finish, kLocalError, set, Fold::median));
    }
    for (int s = 0; s <= context_.config.n_layers; ++s) {
      const std::vector<float> row = relative_.row(s);
      record.differing_tokens.push_back(
          std::count_if(row.begin(), row.end(), [](float x) { return x != 0.0f; }));
    }
  }

  [[nodiscard]] std::span<const TokenClass> classes() const { return tracker_.classes(); }

 private:
  [[nodiscard]] std::size_t windows() const { return context_.corpus.windows.size(); }
  float* state(std::vector<float>& h, std::size_t w) const {
    return h.data() + context_.first_token[w] * context_.config.hidden;
  }

  void each_window(const std::function<void(std::size_t)>& body) {
    const auto batch = static_cast<std::size_t>(std::max(1, options_.batch));
    for (std::size_t begin = 0; begin < windows(); begin += batch) {
      parallel_for(std::min(batch, windows() - begin), options_.threads,
                   [&](std::size_t i) { body(begin + i); });
    }
  }

  void check_finite(const float* h, std::int64_t count, const Checkpoint& checkpoint, int block) const {
    if (std::all_of(h, h + count, [](float x) { return std::isfinite(x); })) return;
    throw Error(ErrorKind::run_failed, {.where = checkpoint.path().string(),
                                        .found = fmt::format("block {} puts out NaN or infinity", block),
                                        .expected = "finite activations in float32",
                                        .hint = "the weights may be damaged"});
  }

  void step(const BlockWeights& weights, const BlockWeights& others, int block, std::size_t w) {
    const std::int64_t n = context_.tokens_in(w), d = context_.config.hidden, count = n * d;
    const ModelConfig& other_config = input_.other.config();
    auto scratch = pool_.lease();
    scratch->out.resize(static_cast<std::size_t>(count));
    scratch->crossed.resize(static_cast<std::size_t>(count));
    float *const h = state(h_, w), *const other = state(other_h_, w), *const out = scratch->out.data();
    forward_block(weights, context_.config, rope_, h, out, n, scratch->block, nullptr);
    check_finite(out, count, input_.original, block);
    // The other block on the original's input: its own error, without what came before.
    forward_block(others, other_config, other_rope_, h, scratch->crossed.data(), n, scratch->block, nullptr);
    std::vector<float> local;
    for (std::int64_t t = 0; t < n; ++t) {
      local.push_back(
          static_cast<float>(relative(squared_distance(scratch->crossed.data() + t * d, out + t * d, d),
                                      squared_distance(out + t * d, h + t * d, d))));
    }
    local_.write(block, context_.first_token[w], local);
    std::copy_n(out, count, h);
    forward_block(others, other_config, other_rope_, other, other, n, scratch->block, nullptr);
    check_finite(other, count, input_.other, block);
    observe(block + 1, w);
  }

  void observe(int place, std::size_t w) {
    const std::int64_t n = context_.tokens_in(w), d = context_.config.hidden, first = context_.first_token[w];
    const float *const h = state(h_, w), *const other = state(other_h_, w);
    tracker_.observe_state({.state = place, .window = w, .h = h, .tokens = n});
    std::vector<float> relatives, cosines;
    for (std::int64_t t = 0; t < n; ++t) {
      const float *const a = h + t * d, *const b = other + t * d;
      const double square = squared_distance(b, a, d);
      relatives.push_back(static_cast<float>(relative(square, dot(a, a, d))));
      cosines.push_back(square == 0.0 ? 0.0f : static_cast<float>(cosine_distance(a, b, d)));
    }
    relative_.write(place, first, relatives);
    cosine_.write(place, first, cosines);
  }

  OutputSums output_of(const HeadWeights& head, const HeadWeights& other_head, std::size_t w) {
    const auto vocab = static_cast<std::size_t>(context_.config.vocab);
    const std::int64_t d = context_.config.hidden;
    const auto& ids = context_.corpus.windows[w].ids;
    LogitScratch scratch;
    std::vector<float> logits(kLogitRows * vocab), other_logits(kLogitRows * vocab);
    std::vector<double> probability(vocab);
    OutputSums sums{.scored = static_cast<std::int64_t>(ids.size()) - 1};
    for (std::int64_t begin = 0; begin < sums.scored; begin += kLogitRows) {
      const std::int64_t rows = std::min(kLogitRows, sums.scored - begin);
      compute_logits(head, context_.config, state(h_, w) + begin * d, rows, logits.data(), scratch);
      compute_logits(other_head, input_.other.config(), state(other_h_, w) + begin * d, rows,
                     other_logits.data(), scratch);
      for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
        const std::span<const float> row(logits.data() + r * vocab, vocab);
        const std::span<const float> other(other_logits.data() + r * vocab, vocab);
        const auto next = static_cast<std::size_t>(ids[static_cast<std::size_t>(begin) + r + 1]);
        softmax_row(row, probability);
        sums.kl += divergence_from_logits(probability, row, other).kl_nats;
        sums.nll_original += log_sum_exp(row) - row[next];
        sums.nll_other += log_sum_exp(other) - other[next];
        sums.same_top += std::max_element(row.begin(), row.end()) - row.begin() ==
                                 std::max_element(other.begin(), other.end()) - other.begin()
                             ? 1
                             : 0;
        sums.differing += std::equal(row.begin(), row.end(), other.begin()) ? 0 : 1;
      }
    }
    return sums;
  }

  const DivergenceInput& input_;
  const SweepContext& context_;
  const MeasureOptions& options_;
  TokenTable relative_, cosine_, local_;
  SinkTracker tracker_;
  RopeTable rope_, other_rope_;
  std::vector<float> h_, other_h_;  // (tokens, hidden) of the current state
  ScratchPool<PairScratch> pool_;
};

void add_documents(const DivergenceInput& input, const SweepContext& context,
                   const std::vector<OutputSums>& sums, std::span<const TokenClass> classes,
                   DivergenceRecord& record) {
  record.documents.resize(input.corpus.documents.size());
  for (std::size_t d = 0; d < record.documents.size(); ++d)
    record.documents[d].name = input.corpus.documents[d].name;
  for (std::size_t w = 0; w < sums.size(); ++w) {
    DivergenceDocument& document =
        record.documents[static_cast<std::size_t>(input.corpus.windows[w].document)];
    const auto of_window = classes.subspan(static_cast<std::size_t>(context.first_token[w]),
                                           static_cast<std::size_t>(context.tokens_in(w)));
    document.tokens += context.tokens_in(w);
    document.ordinary += std::count(of_window.begin(), of_window.end(), TokenClass::ordinary);
    document.scored += sums[w].scored;
    ++document.windows;
    document.nll_original_nats += sums[w].nll_original;
    document.nll_other_nats += sums[w].nll_other;
    document.kl_nats += sums[w].kl;
    document.same_top += static_cast<double>(sums[w].same_top);
    record.differing_logits += sums[w].differing;
  }
  for (DivergenceDocument& document : record.documents) {
    const auto scored = static_cast<double>(std::max<std::int64_t>(1, document.scored));
    for (double* sum :
         {&document.nll_original_nats, &document.nll_other_nats, &document.kl_nats, &document.same_top})
      *sum /= scored;
  }
}

DivergenceCard card_of(const DivergenceInput& input, const SweepContext& context,
                       const MeasureOptions& options) {
  DivergenceCard card{.seed = options.seed,
                      .compute_dtype = to_string(options.compute.dtype),
                      .lane_tokens = options.lane_tokens};
  for (std::size_t w = 0; w < input.corpus.windows.size(); ++w)
    card.context = std::max(card.context, static_cast<int>(context.tokens_in(w)));
  card.bos_policy = input.corpus.bos_policy;
  card.corpus_name = input.corpus.name;
  card.corpus_sha256 = input.corpus.sha256;
  if (input.tokenizer != nullptr) card.tokenizer_sha256 = input.tokenizer->sha256();
  return card;
}

// Logits that overflow have no KL; such a document is left out of the means, and the reader must know.
void warn_of_gaps(DivergenceRecord& record) {
  const auto gap = [](double kl, std::int64_t scored) { return scored > 0 && !std::isfinite(kl); };
  for (const Substitution& s : record.substitutions) {
    std::size_t gaps = 0;
    for (std::size_t d = 0; d < record.documents.size(); ++d)
      gaps += gap(s.kl_nats[d], record.documents[d].lane_scored) ? 1 : 0;
    if (gaps == 0) continue;
    record.warnings.push_back(fmt::format(
        "substitution of {}{}: undefined in {}, the logits overflow float32 there", to_string(s.part),
        s.block < 0 ? "" : fmt::format(" {}", s.block), counted(gaps, "document")));
  }
  const auto gaps = std::count_if(record.documents.begin(), record.documents.end(),
                                  [&](const DivergenceDocument& d) { return gap(d.kl_nats, d.scored); });
  if (gaps > 0)
    record.warnings.push_back(fmt::format("KL is undefined in {}: the logits overflow float32 there",
                                          counted(static_cast<std::uint64_t>(gaps), "document")));
}

// The state of either model; of a loss only the original's: a twin may be ruined, and that is what is
// measured.
void warn_of_models(const DivergenceInput& input, DivergenceRecord& record) {
  for (const Checkpoint* model : {&input.original, &input.other}) {
    for (const std::string& warning : weight_warnings(*model))
      record.warnings.push_back(fmt::format("{}: {}", model->name(), warning));
  }
  double nll = 0.0;
  std::int64_t scored = 0;
  for (const DivergenceDocument& document : record.documents) {
    nll += static_cast<double>(document.scored) * document.nll_original_nats;
    scored += document.scored;
  }
  if (scored == 0) return;
  for (const std::string& warning :
       loss_warnings(nll / static_cast<double>(scored), input.original.config().vocab))
    record.warnings.push_back(fmt::format("{}: {}", input.original.name(), warning));
}

// What the joint sweep has measured, with the digests of the other model's weights: those of the original go
// with every snapshot.
void persist_sweep(Archive& archive, const Checkpoint& other, DivergenceRecord& record) {
  std::vector<std::string> digests = other.tensor_digests();
  archive.sized(digests);
  if (archive.reading()) other.expect_digests(digests);
  persist(archive, record);
}

double gib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / 1073741824.0;
}

}  // namespace

DivergencePlan plan_divergence(const DivergenceInput& input, const MeasureOptions& options,
                               std::uint64_t mem_limit_bytes) {
  check_twins(input.original, input.other);
  const ModelConfig &c = input.original.config(), &o = input.other.config();
  SweepContext context = make_context(c, input.corpus);
  context.seed = options.seed;
  const auto tokens = static_cast<std::uint64_t>(context.token_count());
  const auto width = static_cast<std::uint64_t>(c.hidden) * sizeof(float);
  int longest = 0;
  for (const Window& w : input.corpus.windows) longest = std::max(longest, static_cast<int>(w.ids.size()));
  const auto workers = static_cast<std::uint64_t>(std::max(1, std::min(options.threads, options.batch)));
  DivergencePlan plan;
  const auto add = [&](std::string what, std::uint64_t bytes) {
    plan.memory.push_back({std::move(what), bytes});
    plan.peak_bytes += bytes;
  };
  add("program", program_bytes());
  add("token ids of the text", input.corpus.memory_bytes());
  add("two blocks of each model (current and next)", 2 * (block_bytes(c) + block_bytes(o)));
  add("embeddings and unembeddings of both", ends_bytes(c) + ends_bytes(o));
  add("values per token and place", static_cast<std::uint64_t>(3 * c.n_layers + 2) * tokens * sizeof(float) +
                                        SinkTracker::memory_bytes(context));
  add("scratch of the workers",
      workers * (std::max(scratch_bytes(c, longest), scratch_bytes(o, longest)) +
                 2 * static_cast<std::uint64_t>(longest) * width +
                 static_cast<std::uint64_t>(kLogitRows * c.vocab) * (2 * sizeof(float) + sizeof(double))));
  const auto sample = lane_sample(context, options.lane_tokens);
  const std::uint64_t each = lane_bytes(context, sample), residual = 2 * tokens * width;
  const std::uint64_t least = std::max(2 * each, residual);  // the sweep's streams are gone when lanes begin
  if (plan.peak_bytes + least > mem_limit_bytes) {
    throw Error(
        ErrorKind::out_of_memory,
        {.option = "mem_limit",
         .found = fmt::format("the comparison needs {:.2f} GiB, the limit is {:.2f} GiB",
                              gib(plan.peak_bytes + least), gib(mem_limit_bytes)),
         .hint =
             "fewer windows (--chunks, --limit), a shorter --ctx-size or smaller --lane-tokens need less"});
  }
  const std::uint64_t fit = (mem_limit_bytes - plan.peak_bytes) / std::max<std::uint64_t>(1, each) - 1;
  plan.lane_bytes =
      std::min<std::uint64_t>(std::max<std::uint64_t>(1, fit), static_cast<std::uint64_t>(c.n_layers) + 3) *
      each;
  add("residual streams of both, or lanes", std::max(plan.lane_bytes + each, residual));
  return plan;
}

DivergenceRecord measure_divergence(const DivergenceInput& input, const MeasureOptions& asked,
                                    const Progress& progress) {
  check_twins(input.original, input.other);
  const Likeness likeness = weight_likeness(input.original, input.other);
  require_likeness(input.original, input.other, likeness);
  MeasureOptions options = asked;
  std::optional<Snapshots> saved;
  if (!options.snapshot_directory.empty()) {
    saved.emplace(options.snapshot_directory, options.snapshot_key, input.original, options.snapshot_share);
    options.snapshots = &*saved;
  }
  DivergenceRecord record;
  record.weight_correlation = likeness.median;
  record.warnings = input.corpus.warnings;
  SweepContext context = make_context(input.original.config(), input.corpus);
  context.seed = options.seed;
  context.threads = options.threads;
  const Embedding embedding = load_embedding(input.original, options.compute),
                  other_embedding = load_embedding(input.other, options.compute);
  const HeadWeights head = load_head(input.original, embedding),
                    other_head = load_head(input.other, other_embedding);
  const auto after_sweep = [&](Archive& archive) { persist_sweep(archive, input.other, record); };
  if (!saved || !saved->load("joint sweep", after_sweep)) {
    JointSweep sweep(input, context, options);
    sweep.run(embedding, other_embedding, progress);
    add_documents(input, context, sweep.compare_outputs(head, other_head), sweep.classes(), record);
    sweep.add_series(head, record);
    if (saved) saved->save("joint sweep", after_sweep);
  }
  const auto sample = lane_sample(context, options.lane_tokens);
  for (const LaneWindow& lane : sample) {
    const auto document = static_cast<std::size_t>(input.corpus.windows[lane.window].document);
    record.documents[document].lane_scored += lane.tokens - 1;
  }
  const LaneModel original{input.original, embedding, head}, other{input.other, other_embedding, other_head};
  record.substitutions = run_substitutions({.model = original,
                                            .other = &other,
                                            .context = context,
                                            .sample = sample,
                                            .options = options,
                                            .phase = "substitution"},
                                           progress);
  warn_of_gaps(record);
  warn_of_models(input, record);
  record.run = card_of(input, context, options);
  record.original = model_card(input.original);
  record.other = model_card(input.other);
  return record;
}

}  // namespace strata
