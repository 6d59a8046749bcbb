// Rogue dimensions and sinks by name, from planted records; and records that have neither.
#include "strata/theory/carriers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "strata/base/philox.h"

namespace strata {
namespace {

constexpr int kLayers = 12;

// Every state led by a dimension that all tokens share: no event.
Trace null_trace(std::uint64_t seed) {
  Philox rng({.seed = seed, .stream = Stream::test});
  Trace trace;
  trace.model.n_layers = kLayers;
  for (const TokenSet set : {TokenSet::ordinary, TokenSet::all}) {
    for (int state = 0; state <= kLayers; ++state) {
      StateCarrier carrier{.state = state, .tokens = set, .n_tokens = 4000};
      carrier.dimension = {
          .dimension = static_cast<int>(rng.below(3)),
          .share = 0.05 + 0.6 * rng.uniform(),
          .few_tokens = 0.06 + 0.1 * rng.uniform(),
          .few_size = 1.0 + rng.uniform(),
          .words = {{.token_id = 1,
                     .text = ",",
                     .occurrences = 240,
                     .count = 200,
                     .share = 0.06 + 0.06 * rng.uniform()},
                    {.token_id = 2, .text = " the", .occurrences = 200, .count = 150, .share = 0.06}}};
      trace.carriers.push_back(carrier);
    }
  }
  return trace;
}

// Word 2 holds dimension 50 from the output of block 2 (state 3) to the input of block 7 (state 7).
Trace planted(double share = 0.5, double words = 0.75) {
  Trace trace = null_trace(1);
  for (StateCarrier& carrier : trace.carriers) {
    if (carrier.state < 3 || carrier.state > 7) continue;
    carrier.dimension.dimension = 50;
    carrier.dimension.share = share - 0.01 * carrier.state;
    carrier.dimension.few_tokens = words;
    carrier.dimension.few_size = 100.0;
    carrier.dimension.words = {
        {.token_id = 2, .text = " the", .occurrences = 200, .count = 80, .share = words}};
  }
  return trace;
}

SinkPath path(bool first, const std::vector<double>& length) {
  SinkPath p{.first_position = first,
             .token_id = 7,
             .text = first ? "" : "\\x0a",
             .tokens = 30,
             .of = first ? 30 : 60,
             .length = length,
             .ratio = {},
             .massive = {},
             .dimension = std::vector<int>(length.size(), 99)};
  for (const double x : length) {
    p.ratio.push_back(x / 20.0);  // a median token of length 20
    p.massive.push_back(x > 200.0 ? 1.0 : 0.0);
  }
  return p;
}

TEST(CarrierEvents, NothingWhereAllTokensShareTheLeadingDimension) {
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    EXPECT_TRUE(carrier_events(null_trace(seed)).empty()) << seed;
  EXPECT_TRUE(carrier_events(Trace{.model = {.n_layers = 4}}).empty());  // an older record
}

TEST(CarrierEvents, ARogueDimensionHasItsWordAndItsBlocks) {
  const auto events = carrier_events(planted());
  ASSERT_EQ(events.size(), 1u);
  const CarrierEvent& e = events[0];
  EXPECT_EQ(e.kind, "rogue_dimension");
  EXPECT_EQ(e.dimension, 50);
  EXPECT_EQ(e.words, std::vector<std::string>{" the"});
  EXPECT_EQ(e.first_state, 3);
  EXPECT_EQ(e.last_state, 7);
  EXPECT_EQ(e.written_by, std::vector<int>{2});
  EXPECT_EQ(e.removed_by, std::vector<int>{7});
  EXPECT_NEAR(e.token_share, 80.0 / 4000, 1e-12);
  EXPECT_NEAR(e.peak_share, 0.47 * 0.75, 1e-12);
  Findings findings;
  findings.carriers = events;
  EXPECT_EQ(
      carrier_sentences(Trace{}, findings)[0],
      "Dimension 50 of \" the\" (2.0% of the tokens) holds up to 35% of the energy between block 2, which "
      "writes it, and block 7, which removes it.");
}

// Half of the energy in a dimension that all tokens fill alike, or a twentieth of it in few tokens, is none.
TEST(CarrierEvents, AThresholdOfEnergyInFewTokens) {
  EXPECT_TRUE(carrier_events(planted(0.6, 0.3)).empty());
  EXPECT_TRUE(carrier_events(planted(0.09, 0.75)).empty());
  EXPECT_EQ(carrier_events(planted(0.2, 0.75)).size(), 1u);
}

TEST(CarrierEvents, FewTokensOfManyWords) {
  Trace trace = planted();
  for (StateCarrier& carrier : trace.carriers) {
    if (carrier.dimension.dimension == 50) carrier.dimension.words[0].share = 0.05;
  }
  const auto events = carrier_events(trace);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].words.empty());
  EXPECT_NEAR(events[0].token_share, 0.05, 1e-12);
  EXPECT_NEAR(events[0].peak_share, 0.47 * 0.75, 1e-12);
}

// The share stays above the threshold for a block or two after the one that takes the size away.
TEST(CarrierEvents, TheBlockOfTheLargerFallRemovesIt) {
  for (const int removes : {6, 7, 8}) {
    Trace trace = planted();
    for (StateCarrier& carrier : trace.carriers) {
      if (carrier.state == 8) {  // still leads, below the threshold
        carrier.dimension = trace.carriers[7].dimension;
        carrier.dimension.share = 0.15;
      }
      if (carrier.state == 9) {
        carrier.dimension = trace.carriers[7].dimension;
        carrier.dimension.share = 0.05;
      }
      if (carrier.state > removes && carrier.state <= 9) carrier.dimension.few_size = 5.0;
    }
    const auto events = carrier_events(trace);
    ASSERT_EQ(events.size(), 1u) << removes;
    EXPECT_EQ(events[0].removed_by, std::vector<int>{removes});
  }
}

TEST(CarrierEvents, TheBlockOfTheLargerRiseWritesIt) {
  for (const int writes : {2, 3}) {
    Trace trace = planted();
    const CarrierDirection led = trace.carriers[4].dimension;
    for (StateCarrier& carrier : trace.carriers) {
      if (carrier.state == 2) {  // leads already, below the threshold
        carrier.dimension = led;
        carrier.dimension.share = 0.05;
      }
      if (carrier.state >= 2 && carrier.state <= writes) carrier.dimension.few_size = 4.0;
    }
    const auto events = carrier_events(trace);
    ASSERT_EQ(events.size(), 1u) << writes;
    EXPECT_EQ(events[0].written_by, std::vector<int>{writes});
  }
}

TEST(CarrierEvents, TheSinkAtPositionZero) {
  Trace trace = null_trace(2);
  trace.sink_paths = {path(true, {2, 20, 50, 106, 24410, 24400, 24300, 24200, 24100, 24000, 8000, 100, 90})};
  const auto events = carrier_events(trace);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, "sink");
  EXPECT_TRUE(events[0].first_position);
  EXPECT_EQ(events[0].dimension, 99);
  EXPECT_EQ(events[0].written_by, std::vector<int>{3});
  EXPECT_EQ(events[0].removed_by, (std::vector<int>{9, 10}));
  EXPECT_EQ(events[0].before, 106.0);
  EXPECT_EQ(events[0].after, 24410.0);
  EXPECT_EQ(events[0].token_share, 1.0);
  Findings findings;
  findings.carriers = events;
  EXPECT_EQ(carrier_sentences(Trace{}, findings)[0],
            "Block 3 writes the attention sink: position 0 grows from 106 to 24,410 (vector length; "
            "dimension 99, up "
            "to 1220 times the median token, all windows); blocks 9 and 10 remove it.");
}

// As position 0 of SmolLM2-135M: barely massive for a while, small, and massive for good until the last
// blocks.
TEST(CarrierEvents, AWrittenSinkLastsUntilABlockRemovesIt) {
  Trace trace = null_trace(5);
  trace.sink_paths = {path(true, {3, 50, 60, 215, 180, 150, 110, 30, 30, 4000, 3900, 800, 150})};
  const auto events = carrier_events(trace);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].written_by, std::vector<int>{2});
  EXPECT_EQ(events[0].removed_by, std::vector<int>{6});
  EXPECT_EQ(events[0].last_state, 6);
  EXPECT_EQ(events[1].written_by, std::vector<int>{8});
  EXPECT_EQ(events[1].removed_by, (std::vector<int>{10, 11}));
  EXPECT_EQ(events[1].first_state, 9);
  EXPECT_EQ(events[1].last_state, 11);
}

TEST(CarrierEvents, AWordThatStaysAndOneOfTheEmbedding) {
  Trace trace = null_trace(3);
  trace.sink_paths = {path(false, {10, 300, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900}),
                      path(false, {300, 300, 300, 300, 20, 20, 20, 20, 20, 20, 20, 20, 20})};
  const auto events = carrier_events(trace);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].written_by, (std::vector<int>{0, 1}));
  EXPECT_TRUE(events[0].removed_by.empty());
  EXPECT_NEAR(events[0].token_share, 0.5, 1e-12);
  EXPECT_TRUE(events[1].written_by.empty());
  EXPECT_EQ(events[1].removed_by, std::vector<int>{3});
  Findings findings;
  findings.carriers = events;
  trace.mask_counts = {{4.0, 120}, {10.0, 30}, {50.0, 0}};
  const auto sentences = carrier_sentences(trace, findings);
  ASSERT_EQ(sentences.size(), 3u);
  EXPECT_NE(sentences[0].find("Blocks 0 and 1 write a massive activation: \"\\x0a\" grows from 10 to 900"),
            std::string::npos)
      << sentences[0];
  EXPECT_NE(sentences[0].find("50% of the occurrences); no block removes it"), std::string::npos)
      << sentences[0];
  EXPECT_NE(sentences[2].find("120 above 4 times, 30 above 10 times and 0 above 50 times"), std::string::npos)
      << sentences[2];
}

// Two words with the same story are one event; a length that grows with all others is none.
TEST(CarrierEvents, WordsWithTheSameStoryAreToldTogether) {
  Trace trace = null_trace(4);
  const std::vector<double> story = {10, 300, 300, 300, 300, 300, 300, 300, 300, 20, 20, 20, 20};
  trace.sink_paths = {path(false, story), path(false, story), path(false, std::vector<double>(13, 150.0))};
  trace.sink_paths[1].text = ".";
  const auto events = carrier_events(trace);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].words, (std::vector<std::string>{"\\x0a", "."}));
  EXPECT_EQ(events[0].written_by, std::vector<int>{0});
  EXPECT_EQ(events[0].removed_by, std::vector<int>{8});
}

}  // namespace
}  // namespace strata
