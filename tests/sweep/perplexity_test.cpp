// Perplexity by llama-perplexity's protocol against the figures of an independent engine.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "strata/base/file.h"
#include "strata/base/parallel.h"
#include "strata/corpus/corpus.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

std::string all_tales() {
  std::string text;
  for (const RawDocument& document : read_documents(test::repo_path("texts/tales"), ""))
    text += document.text;
  return text;
}

// The stream as llama-perplexity cuts it: BOS once at its beginning where the model adds one, whole
// chunks only, the first token of each replaced by BOS.
std::vector<std::vector<std::int32_t>> chunks_of(const Tokenizer& tokenizer, const std::string& text,
                                                 std::int64_t context) {
  const auto size = static_cast<std::size_t>(context);
  std::vector<std::int32_t> ids = tokenizer.prefix();
  const auto body = tokenizer.encode(text, false);
  ids.insert(ids.end(), body.begin(), body.end());
  std::vector<std::vector<std::int32_t>> chunks;
  for (std::size_t at = 0; at + size <= ids.size(); at += size) {
    chunks.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                        ids.begin() + static_cast<std::ptrdiff_t>(at + size));
    if (!tokenizer.prefix().empty()) chunks.back()[0] = tokenizer.prefix()[0];
  }
  return chunks;
}

// NLL summed over the second half: logits at context/2 .. context-2, each for the token after it.
double second_half_nll(const HeadWeights& head, const ModelConfig& config, const std::vector<float>& h,
                       const std::vector<std::int32_t>& ids) {
  const auto vocab = static_cast<std::size_t>(config.vocab);
  std::vector<float> logits(kLogitRows * vocab);
  LogitScratch scratch;
  const auto context = static_cast<std::int64_t>(ids.size());
  double sum = 0.0;
  for (std::int64_t begin = context / 2; begin < context - 1; begin += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, context - 1 - begin);
    compute_logits(head, config, h.data() + begin * config.hidden, rows, logits.data(), scratch);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* row = logits.data() + static_cast<std::size_t>(r) * vocab;
      double normaliser = 0.0;
      for (std::size_t v = 0; v < vocab; ++v) normaliser += std::exp(static_cast<double>(row[v]));
      sum += std::log(normaliser) - static_cast<double>(row[ids[static_cast<std::size_t>(begin + r + 1)]]);
    }
  }
  return sum;
}

struct Measured {
  std::size_t chunks = 0;
  double perplexity = 0.0;
};

// Over the first `most` chunks; 0: all.
Measured perplexity(const std::filesystem::path& model, const std::string& text, std::int64_t context,
                    std::size_t most = 0) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  const ModelConfig& config = checkpoint.config();
  auto chunks = chunks_of(Tokenizer::for_model(model), text, context);
  if (most > 0 && chunks.size() > most) chunks.resize(most);
  const RopeTable rope = make_rope_table(config, static_cast<int>(context));
  const Embedding embedding = load_embedding(checkpoint);
  const HeadWeights head = load_head(checkpoint, embedding);
  std::vector<BlockWeights> blocks;
  for (int layer = 0; layer < config.n_layers; ++layer) blocks.push_back(load_block(checkpoint, layer));
  std::vector<double> nll(chunks.size());
  parallel_for(chunks.size(), 2, [&](std::size_t c) {
    std::vector<float> h(static_cast<std::size_t>(context * config.hidden));
    embed(embedding, chunks[c], h.data());
    BlockScratch scratch;
    for (const BlockWeights& block : blocks)
      forward_block(block, rope, h.data(), h.data(), context, scratch, nullptr);
    nll[c] = second_half_nll(head, config, h, chunks[c]);
  });
  double sum = 0.0;
  for (const double part : nll) sum += part;
  return {chunks.size(),
          std::exp(sum / (static_cast<double>(chunks.size()) * static_cast<double>(context / 2 - 1)))};
}

// The figure that llama-perplexity printed for a model of the data folder.
void expect_reference(const std::string& reference_model, std::int64_t context, const Measured& ours) {
  const auto file = test::shared_data("reference/perplexity.json");
  ASSERT_TRUE(file);
  const auto reference = nlohmann::json::parse(read_file(*file));
  bool found = false;
  for (const auto& result : reference["results"]) {
    if (result["model"] != reference_model || result["context"] != context) continue;
    found = true;
    const double theirs = result["ppl"];
    fmt::print("{}, context {}: perplexity {:.4f}, reference {:.4f}, {:+.4f}%\n", reference_model, context,
               ours.perplexity, theirs, 100.0 * (ours.perplexity / theirs - 1.0));
    EXPECT_EQ(ours.chunks, result["chunks"].get<std::size_t>());
    EXPECT_NEAR(ours.perplexity / theirs, 1.0, 1e-3);
  }
  EXPECT_TRUE(found) << reference_model;
}

std::string short_name(const testing::TestParamInfo<const char*>& suite) {
  std::string name = suite.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

class Perplexity : public testing::TestWithParam<const char*> {};

TEST_P(Perplexity, AgreesWithLlamaCpp) {
  if (!test::shared_data("reference/perplexity.json")) {
    GTEST_SKIP() << "needs reference/perplexity.json of the data folder (STRATA_SHARED_DATA)";
  }
  const auto model = test::repo_path("models") / GetParam();
  expect_reference(fmt::format("models/gguf/{}.F32.gguf", GetParam()), 256,
                   perplexity(model, all_tales(), 256));
}

INSTANTIATE_TEST_SUITE_P(Nano, Perplexity, testing::Values("llama-nano", "qwen2-nano", "qwen3-nano"),
                         short_name);

// llama-perplexity multiplies quantized weights with activations rounded to 8 bits, strata with float32.
class QuantizedPerplexity : public testing::TestWithParam<const char*> {};

TEST_P(QuantizedPerplexity, AgreesWithLlamaCpp) {
  const std::string relative = fmt::format("models/gguf/llama-wide.{}.gguf", GetParam());
  const auto model = test::shared_data(relative);
  if (!model || !test::shared_data("reference/perplexity.json")) {
    GTEST_SKIP() << "needs " << relative << " of the data folder (STRATA_SHARED_DATA)";
  }
  expect_reference(relative, 256, perplexity(*model, all_tales(), 256));
}

INSTANTIATE_TEST_SUITE_P(LlamaWide, QuantizedPerplexity, testing::Values("F32", "Q8_0", "Q4_K_M"),
                         short_name);

// A model that others made: GGUF v3 with a SentencePiece vocabulary, and the oddities that such files have.
class StoriesPerplexity : public testing::TestWithParam<int> {};

TEST_P(StoriesPerplexity, AgreesWithLlamaCpp) {
  const std::string relative = "third-party/models/stories260K.tok512.gguf";
  const auto model = test::shared_data(relative);
  const auto text = test::shared_data("third-party/texts/tinystories-200k.txt");
  if (!model || !text) GTEST_SKIP() << "needs " << relative << " of the data folder (STRATA_SHARED_DATA)";
  expect_reference(relative, GetParam(), perplexity(*model, read_file(*text), GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Contexts, StoriesPerplexity, testing::Values(128, 512));

// A published model of 30 blocks. llama-perplexity has read the same weights as F32: with the Q4_1 file it
// rounds activations to 8 bits, which is another computation (perplexity.json has both figures).
TEST(SmolLM2Perplexity, AgreesWithLlamaCpp) {
  const auto model = test::real_model();
  if (!model) GTEST_SKIP() << test::kNoRealModel;
  constexpr std::size_t kChunks = 2;
  const auto golden =
      nlohmann::json::parse(read_file(test::repo_path("tests/golden/smollm2/perplexity.json")));
  const double theirs = golden["F32"][kChunks - 1], rounded = golden["Q4_1"][kChunks - 1];
  const Measured ours = perplexity(*model, all_tales(), golden["context"].get<std::int64_t>(), kChunks);
  fmt::print(
      "SmolLM2, {} chunks: perplexity {:.4f}, reference {:.4f} ({:+.4f}%), with rounded activations {:.4f}\n",
      kChunks, ours.perplexity, theirs, 100.0 * (ours.perplexity / theirs - 1.0), rounded);
  EXPECT_EQ(ours.chunks, kChunks);
  EXPECT_NEAR(ours.perplexity / theirs, 1.0, 1e-3);
}

}  // namespace
}  // namespace strata
