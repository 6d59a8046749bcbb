#include "strata/sweep/divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "strata/base/archive.h"
#include "strata/base/words.h"
#include "strata/model/head.h"
#include "strata/record/persist.h"
#include "strata/sweep/joint_sweep.h"
#include "strata/sweep/lanes.h"
#include "strata/sweep/likeness.h"
#include "strata/sweep/model_warnings.h"
#include "strata/sweep/snapshots.h"
#include "strata/sweep/substitution.h"

namespace strata {
namespace {

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

// What the joint sweep has measured.
void persist_sweep(Archive& archive, const Checkpoint& other, DivergenceRecord& record) {
  persist_digests(archive, other);
  persist(archive, record);
}

}  // namespace

DivergenceRecord measure_divergence(const DivergenceInput& input, const MeasureOptions& asked,
                                    const Progress& progress) {
  require_same_shape(input.original, input.other);
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
    if (saved) {
      saved->save("joint sweep", after_sweep);
      saved->remove(kJointBlocks);
    }
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
