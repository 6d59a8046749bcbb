// A small model with documents for bottlenecks: in the first one, token 0 and token 7 keep their clean state.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "strata/base/parallel.h"
#include "strata/sweep/bottleneck_sweep.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"
#include "tests/sweep/random_corpus.h"

namespace strata::test {

inline constexpr std::int64_t kBottleneckTokens = 64;

class BottleneckFixture : public testing::Test {
 protected:
  BottleneckFixture() {
    write_checkpoint(directory_.path(), {.layers = 2, .vocab = 12});
    checkpoint_.emplace(Checkpoint::open(directory_.path()));
    corpus_ = random_corpus({.documents = 16, .vocab = 12});
    context_.emplace(make_context(checkpoint_->config(), corpus_));
    classes_.assign(static_cast<std::size_t>(context_->token_count()), TokenClass::ordinary);
    for (std::size_t w = 0; w < corpus_.windows.size(); ++w) {
      classes_[static_cast<std::size_t>(context_->first_token[w])] = TokenClass::first;
      sample_.push_back({w, kBottleneckTokens});
    }
    classes_[7] = TokenClass::massive;
    embedding_ = load_embedding(*checkpoint_);
    head_ = load_head(*checkpoint_, embedding_);
  }

  [[nodiscard]] ResidentModel resident() const {
    ResidentModel model{checkpoint_->config(), embedding_, head_, {}};
    for (int block = 0; block < 2; ++block) model.blocks.push_back(load_block(*checkpoint_, block));
    return model;
  }

  TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  Corpus corpus_;
  std::optional<SweepContext> context_;
  std::vector<TokenClass> classes_;
  std::vector<LaneWindow> sample_;
  Embedding embedding_;
  HeadWeights head_;
};

}  // namespace strata::test
