// Windows that go through a block together have the bits that each has alone, whatever is asked of them.
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "strata/model/block.h"
#include "tests/support/block_cases.h"
#include "tests/support/float_values.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

class Together : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    test::write_checkpoint(directory_.path(), test::block_case(GetParam()));
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
    weights_ = load_block(*checkpoint_, 1);
    rope_ = make_rope_table(checkpoint_->config(), 64);
  }

  // What a window asks for and gets.
  struct Window {
    std::vector<float> in, out, directions;
    Routing routing;
    BlockHooks hooks;

    [[nodiscard]] BlockPass pass(std::int64_t width) {
      return {in.data(), out.data(), std::ssize(in) / width, hooks};
    }
  };
  [[nodiscard]] Window window(std::int64_t tokens, std::uint64_t seed) const {
    Window w{.in = test::random_values(tokens * width(), seed)};
    w.out.resize(w.in.size());
    return w;
  }
  void look(Window& w) const {
    w.directions.resize(w.in.size());
    w.hooks.routing = &w.routing;
    w.hooks.expert_directions = w.directions.data();
  }
  [[nodiscard]] std::int64_t width() const { return checkpoint_->config().hidden; }
  [[nodiscard]] bool mixture() const { return weights_.block.feed_forward.experts > 0; }

  // Windows of several lengths and with everything that may be asked of a block's second half.
  [[nodiscard]] std::vector<Window> windows() const {
    std::vector<Window> all;
    for (std::uint64_t i = 0; i < 6; ++i) all.push_back(window(1 + 17 * static_cast<std::int64_t>(i % 4), i));
    all[1].hooks.skip_feed_forward = true;
    all[2].hooks.skip_mixer = true;
    all[3].hooks.dropped_expert = mixture() ? 1 : -1;
    if (mixture()) {
      routes_ = other_routes(std::ssize(all[4].in) / width());
      all[4].hooks.frozen_routing = &routes_;
    }
    return all;
  }
  [[nodiscard]] Routing other_routes(std::int64_t tokens) const {
    Window other = window(tokens, 99);
    look(other);
    BlockScratch scratch;
    const BlockPass pass = other.pass(width());
    forward_block(weights_, rope_, {&pass, 1}, scratch);
    return other.routing;
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  BlockWeights weights_;
  RopeTable rope_;
  mutable Routing routes_;
};

TEST_P(Together, EachHasTheBitsThatItHasAlone) {
  std::vector<Window> alone = windows(), together = windows();
  for (std::vector<Window>* set : {&alone, &together}) {
    look((*set)[0]);
    look((*set)[3]);
  }
  BlockScratch scratch;
  for (Window& w : alone) {
    const BlockPass pass = w.pass(width());
    forward_block(weights_, rope_, {&pass, 1}, scratch);
  }
  std::vector<BlockPass> passes;
  for (Window& w : together) passes.push_back(w.pass(width()));
  BlockScratch other;
  forward_block(weights_, rope_, passes, other);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(together[i].out, alone[i].out);
    EXPECT_NE(alone[i].out, alone[i].in);
    EXPECT_EQ(together[i].routing.chosen, alone[i].routing.chosen);
    EXPECT_EQ(together[i].routing.weight, alone[i].routing.weight);
    EXPECT_EQ(0, std::memcmp(together[i].directions.data(), alone[i].directions.data(),
                             alone[i].directions.size() * sizeof(float)));
  }
}

TEST_P(Together, InPlace) {
  std::vector<Window> apart = windows(), in_place = windows();
  BlockScratch scratch;
  std::vector<BlockPass> passes;
  for (Window& w : apart) passes.push_back(w.pass(width()));
  forward_block(weights_, rope_, passes, scratch);
  passes.clear();
  for (Window& w : in_place) {
    passes.push_back(w.pass(width()));
    passes.back().h_out = w.in.data();
  }
  forward_block(weights_, rope_, passes, scratch);
  for (std::size_t i = 0; i < apart.size(); ++i) EXPECT_EQ(in_place[i].in, apart[i].out) << i;
}

// More rows than an expert computes at once.
TEST_P(Together, ManyWindows) {
  std::vector<Window> all;
  for (std::uint64_t i = 0; i < 40; ++i) all.push_back(window(60, i));
  std::vector<BlockPass> passes;
  for (Window& w : all) passes.push_back(w.pass(width()));
  BlockScratch scratch;
  forward_block(weights_, rope_, passes, scratch);
  for (const std::size_t i : {0u, 19u, 39u}) {
    Window one = window(60, i);
    const BlockPass pass = one.pass(width());
    forward_block(weights_, rope_, {&pass, 1}, scratch);
    EXPECT_EQ(all[i].out, one.out) << i;
  }
}

TEST_P(Together, NothingButMixturesGainsFromCompany) {
  const std::size_t many = windows_together(checkpoint_->config(), 64);
  EXPECT_EQ(many > 1, checkpoint_->config().experts.has_value());
  EXPECT_EQ(windows_together(checkpoint_->config(), 1 << 20), 1u);
  EXPECT_GE(scratch_bytes(checkpoint_->config(), 64), scratch_bytes(checkpoint_->config(), 1));
}

INSTANTIATE_TEST_SUITE_P(Blocks, Together, testing::ValuesIn(test::kBlockCases),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace strata
