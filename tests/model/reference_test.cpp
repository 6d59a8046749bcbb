// The forward pass against an independent engine: hidden state after every block and logits, as
// recorded in tests/golden (trained models in models/) and, where present, in the data folder.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/npy.h"
#include "strata/base/parallel.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "tests/support/float_values.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

using test::relative_difference;

constexpr double kReferenceTolerance = 1e-4;  // of the state's RMS

struct Forward {
  std::vector<std::vector<float>> states;  // after each block
  std::vector<float> logits;               // (tokens, vocab)
};

Forward run(const std::filesystem::path& model, const std::vector<std::int32_t>& ids) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  const ModelConfig& config = checkpoint.config();
  const auto n = static_cast<std::int64_t>(ids.size());
  const RopeTable rope = make_rope_table(config, static_cast<int>(n));
  const Embedding embedding = load_embedding(checkpoint);
  std::vector<float> h(static_cast<std::size_t>(n * config.hidden));
  embed(embedding, ids, h.data());
  Forward result;
  BlockScratch scratch;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    forward_block(load_block(checkpoint, layer), rope, h.data(), h.data(), n, scratch, nullptr);
    result.states.push_back(h);
  }
  const HeadWeights head = load_head(checkpoint, embedding);
  LogitScratch logit_scratch;
  std::vector<float> chunk(static_cast<std::size_t>(kLogitRows * config.vocab));
  for (std::int64_t begin = 0; begin < n; begin += kLogitRows) {
    const std::int64_t rows = std::min(kLogitRows, n - begin);
    compute_logits(head, config, h.data() + begin * config.hidden, rows, chunk.data(), logit_scratch);
    result.logits.insert(result.logits.end(), chunk.begin(), chunk.begin() + rows * config.vocab);
  }
  return result;
}

std::vector<std::int32_t> ids_of(const std::filesystem::path& folder) {
  return std::get<std::vector<std::int32_t>>(read_npy(folder / "ids.npy").data);
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, MatchesTheIndependentEngine) {
  const auto folder = test::repo_path("tests/golden") / GetParam();
  const Forward ours = run(test::repo_path("models") / GetParam(), ids_of(folder));
  const NpyArray outputs = read_npy(folder / "block_outputs.npy");  // (blocks, tokens, d)
  const auto& reference = std::get<std::vector<float>>(outputs.data);
  ASSERT_EQ(outputs.shape[0], ours.states.size());
  const std::size_t each = outputs.shape[1] * outputs.shape[2];
  for (std::size_t block = 0; block < ours.states.size(); ++block) {
    ASSERT_EQ(ours.states[block].size(), each);
    const double difference =
        relative_difference(ours.states[block].data(), reference.data() + block * each, each);
    fmt::print("{} block {:2}: largest difference {:.2e} of the state's RMS\n", GetParam(), block,
               difference);
    EXPECT_LT(difference, kReferenceTolerance);
  }
  const NpyArray rows = read_npy(folder / "logits_every_16.npy");
  const auto& logits = std::get<std::vector<float>>(rows.data);
  double largest = 0.0;
  for (std::size_t r = 0; r < rows.shape[0]; ++r) {
    largest = std::max(largest, relative_difference(ours.logits.data() + r * 16 * rows.shape[1],
                                                    logits.data() + r * rows.shape[1], rows.shape[1]));
  }
  fmt::print("{} logits: largest difference {:.2e} of the row's RMS\n", GetParam(), largest);
  EXPECT_LT(largest, kReferenceTolerance);
}

INSTANTIATE_TEST_SUITE_P(Nano, Golden, testing::Values("llama-nano", "qwen2-nano", "qwen3-nano"),
                         [](const auto& suite) {
                           std::string name = suite.param;
                           name.resize(name.find('-'));
                           return name;
                         });

// Of some tokens alone: their rows to the bit, and the head is read again where the table served as it.
TEST(Embedding, OfSomeTokensHasTheirRows) {
  for (const char* model : {"llama-nano", "qwen2-nano"}) {
    const Checkpoint checkpoint = Checkpoint::open(test::repo_path("models") / model);
    const ModelConfig& c = checkpoint.config();
    const std::vector<std::int32_t> ids{c.vocab - 1, 0, 77, 1, 77};
    std::vector<char> used(static_cast<std::size_t>(c.vocab), 0);
    for (const std::int32_t id : ids) used[static_cast<std::size_t>(id)] = 1;
    const auto width = static_cast<std::size_t>(c.hidden);
    for (const ComputeDType dtype : {ComputeDType::float32, ComputeDType::bfloat16}) {
      SCOPED_TRACE(fmt::format("{} {}", model, to_string(dtype)));
      const Embedding whole = load_embedding(checkpoint, dtype),
                      some = load_embedding_rows(checkpoint, used, dtype);
      std::vector<float> expected(ids.size() * width), rows(expected.size());
      embed(whole, ids, expected.data());
      embed(some, ids, rows.data());
      EXPECT_TRUE(rows == expected);
      EXPECT_EQ(some.table.rows(), 4);
      EXPECT_EQ(embedding_rows_bytes(c, 4, dtype),
                packed_bytes(dtype, 4, c.hidden) + static_cast<std::uint64_t>(c.vocab) * 4);
      const HeadWeights from_whole = load_head(checkpoint, whole), from_some = load_head(checkpoint, some);
      EXPECT_EQ(from_some.dtype(), dtype);
      EXPECT_TRUE(from_some.unembedding.unpack() == from_whole.unembedding.unpack());
      EXPECT_EQ(from_whole.unembedding.packed().data() == whole.table.data(), c.tied_embeddings);
      EXPECT_THROW(embed(some, std::vector<std::int32_t>{2}, rows.data()), std::exception);
    }
    // In either dtype: the table whole and in rows, two heads; every byte counts.
    const std::uint64_t table = checkpoint.stored_bytes(Role::embedding),
                        norm = checkpoint.stored_bytes(Role::final_norm);
    const std::uint64_t heads = c.tied_embeddings ? table : 2 * checkpoint.stored_bytes(Role::unembedding);
    EXPECT_EQ(checkpoint.bytes_read(), 2 * (2 * table + 2 * norm + heads)) << model;
  }
}

// The whole reference, every logit, of a model that is not in the repository (d = 256, 8/4 heads).
TEST(Reference, LlamaWide) {
  const auto folder = test::shared_data("reference/llama-wide");
  const auto model = test::shared_data("models/llama-wide");
  if (!folder || !model) GTEST_SKIP() << "needs reference/llama-wide of the data folder (STRATA_SHARED_DATA)";
  const Forward ours = run(*model, ids_of(*folder));
  for (std::size_t block = 0; block < ours.states.size(); ++block) {
    const NpyArray reference = read_npy(*folder / fmt::format("l_out-{}.npy", block));
    ASSERT_EQ(reference.size(), ours.states[block].size());
    EXPECT_LT(relative_difference(ours.states[block].data(),
                                  std::get<std::vector<float>>(reference.data).data(), reference.size()),
              kReferenceTolerance);
  }
  const NpyArray logits = read_npy(*folder / "logits.npy");
  ASSERT_EQ(logits.size(), ours.logits.size());
  EXPECT_LT(relative_difference(ours.logits.data(), std::get<std::vector<float>>(logits.data).data(),
                                logits.size()),
            kReferenceTolerance);
}

}  // namespace
}  // namespace strata
