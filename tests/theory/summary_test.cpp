// The sentences: every fact of the findings appears, and nothing is claimed that is not there.
#include "strata/theory/summary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/theory/synthetic_trace.h"

namespace strata {
namespace {

using test::trace_with_documents;

std::string text_of(const Trace& trace, const Findings& findings) {
  std::string text;
  for (const std::string& sentence : headline_sentences(trace, findings)) {
    EXPECT_FALSE(sentence.empty());
    EXPECT_EQ(sentence.back(), '.') << sentence;
    EXPECT_EQ(sentence.find('\n'), std::string::npos);
    EXPECT_EQ(sentence.find("nan"), std::string::npos) << sentence;
    EXPECT_TRUE((sentence[0] >= 'A' && sentence[0] <= 'Z') || (sentence[0] >= '1' && sentence[0] <= '9'))
        << sentence;
    text += sentence + " ";
  }
  return text;
}

void expect_in(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in: " << text;
}
void expect_not_in(const std::string& text, const std::string& part) {
  EXPECT_EQ(text.find(part), std::string::npos) << "\"" << part << "\" is in: " << text;
}

Detection detection(const std::string& id, TokenSet tokens, std::vector<int> edges) {
  Detection d;
  d.detector = id;
  d.role = id == "either"                      ? DetectorRole::rule
           : id == "signals" || id == "states" ? DetectorRole::detector
                                               : DetectorRole::reproduction;
  d.tokens = tokens;
  d.defined = true;
  d.selected_k = static_cast<int>(edges.size());
  d.verdict = edges.empty() ? "smooth" : "boundaries";
  for (const int e : edges) {
    d.boundaries.push_back(
        {.edge = e, .interval_90 = {e - 1.0, e + 1.0}, .modal_share = 0.62, .histogram = {}});
    d.boundaries.back().p_value = 0.001 * e;
  }
  d.forced_two = {{.edge = 3, .interval_90 = {2, 5}, .modal_share = 0.3, .histogram = {}},
                  {.edge = 8,
                   .interval_90 = {kUndefinedValue, kUndefinedValue},
                   .modal_share = kUndefinedValue,
                   .histogram = {}}};
  d.forced_two[0].p_value = 0.31;
  d.forced_two[1].p_value = 0.09;
  for (EdgeEstimate& e : d.forced_two) e.found_by = "states";
  return d;
}

Findings two_boundaries() {
  Findings f;
  f.detections = {
      detection("either", TokenSet::ordinary, {4, 9}),     detection("signals", TokenSet::ordinary, {4, 9}),
      detection("states", TokenSet::ordinary, {5, 9}),     detection("either", TokenSet::all, {4, 8}),
      detection("kernel_cka", TokenSet::ordinary, {2, 9}), detection("fused", TokenSet::ordinary, {})};
  f.edge_changes = {{.edge = 4, .sentence = "Edge 4: first."},
                    {.edge = 9, .sentence = "Edge 9: second."},
                    {.edge = 3, .forced = true, .sentence = "Forced edge 3: none."}};
  f.headline = 0;
  f.segments = {{"Local", 0, 4}, {"Intermediate", 4, 9}, {"Global", 9, 12}};
  for (int state = 0; state <= 12; ++state) {
    KappaEstimate k;
    k.state = state;
    k.kappa = state == 12 ? 50.0 : 10.0 - state;
    k.standard_error = 0.25;
    f.kappa.push_back(k);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    SegmentBrittleness b;
    b.segment = f.segments[i];
    b.kappa_geometric = 8.0 / static_cast<double>(1 << i);
    b.kappa_interval_90 = {b.kappa_geometric - 1, b.kappa_geometric + 1};
    f.brittleness.push_back(b);
  }
  return f;
}

TEST(Summary, TwoBoundaries) {
  const Trace trace = trace_with_documents(std::vector<int>(16, 10), 12);
  const std::string text = text_of(trace, two_boundaries());
  expect_in(text, "[a,b) means blocks a to b-1");
  EXPECT_TRUE(
      text.starts_with("2 boundaries: edges 4 and 9 (signals or states, tested together at 5% against "
                       "heavy-tailed layer noise; strongest p = 0.004). "))
      << text;
  expect_in(text, "between block e-1 and block e. Edge 4: first. Edge 9: second. Places: ");
  expect_in(text, "edge 4 (90% interval 3 to 5; 62% of resamples put it exactly there)");
  expect_in(text, "edge 9 (90% interval 8 to 10;");
  expect_in(text, "Local [0,4), Intermediate [4,9) and Global [9,12)");
  expect_in(text, "Both detectors, signals and states, find them.");
  expect_in(text, "With sink tokens counted the rule says the same.");
  EXPECT_TRUE(
      text.ends_with("Earlier detectors, reproduced for comparison and deciding nothing: kernel_cka says "
                     "2 boundaries at edges 2 and 9 and fused says smooth. "))
      << text;
  expect_in(text, "most brittle segment is Local [0,4) with kappa 8 nats (90% interval 7 to 9)");
  expect_in(text, "least brittle is Global [9,12) with kappa 2 nats");
  expect_in(text, "a ratio of 4.");
  Findings overlapping = two_boundaries();
  overlapping.brittleness[2].kappa_interval_90.hi = 7.5;
  expect_in(text_of(trace, overlapping), "a ratio of 4 (their intervals overlap).");
  expect_in(
      text,
      "the output of the last block (kappa 50 nats, standard error 0.25) and the input of block 0 (kappa 10");
  expect_in(text, "No token beyond the first");
  expect_not_in(text, "orced");
  expect_not_in(text, "unreliable");
  expect_not_in(text, "not agree");
  expect_not_in(text, "start-up");
  expect_not_in(text, "Odd block");
}

TEST(Summary, AmongNetworksWithRandomWeights) {
  const Trace trace = trace_with_documents(std::vector<int>(16, 10), 12);
  Findings f = two_boundaries();
  RandomTwins twins{.detector = "fused", .defined = true, .rank = 2, .p_value = 0.1};
  twins.statistic.assign(19, 1.0);
  twins.verdict.assign(18, "smooth");
  twins.verdict.push_back("1 boundary");
  f.random_twins = {twins};
  expect_not_in(text_of(trace, f), "random weights");  // not the headline's detector
  f.random_twins[0].detector = "either";
  expect_in(text_of(trace, f),
            "Of 19 networks of this architecture with random weights, on the same text, the same rule says "
            "1 boundary for 1 and smooth for 18; by its strongest evidence this model ranks "
            "2 of 20, p = 0.1.");
  f.random_twins[0].statistic.resize(1);
  f.random_twins[0].verdict.resize(1);
  expect_in(text_of(trace, f), "ranks 2 of 2 (descriptive: too few networks for a test).");
  f.random_twins[0].defined = false;
  f.random_twins[0].note = "no reason";
  expect_in(text_of(trace, f), "Networks with random weights say nothing here: no reason.");
}

TEST(Summary, SmoothModelWithAForcedSplit) {
  const Trace trace = trace_with_documents(std::vector<int>(16, 10), 12);
  Findings f = two_boundaries();
  f.detections[0] = detection("either", TokenSet::ordinary, {});
  f.detections[1] = detection("signals", TokenSet::ordinary, {6});
  f.detections[2] = detection("states", TokenSet::ordinary, {});
  f.detections[3] = detection("either", TokenSet::all, {7});
  f.start_up = {"start-up", 0, 2};
  f.read_out = {"read-out", 11, 12};
  f.odd_blocks = {{.block = 5, .evidence = 2.0, .p_value = 0.005, .signals = {"a", "b", "c", "d"}},
                  {.block = 7, .evidence = 1.2, .p_value = 0.03, .signals = {}}};
  f.segments_forced = true;
  for (auto& b : f.brittleness) b.forced = true;
  const std::string text = text_of(trace, f);
  EXPECT_TRUE(
      text.starts_with("No boundary: the strongest edge, 8, has p = 0.09 (states; signals or states, "
                       "tested together at 5% against heavy-tailed layer noise). "))
      << text;
  expect_in(text, "The two detectors do not agree: signals find edge 6, states find no boundary.");
  expect_in(text, "With sink tokens counted the rule finds 1 boundary at edge 7.");
  expect_in(text, "in no segment: blocks 0 to 1 (start-up) and block 11 (read-out).");
  expect_in(text,
            "Odd blocks, whose signals are off and come back: block 5 (a, b and c; p = 0.005) and block 7 "
            "(p = 0.03).");
  expect_not_in(text, "Edge 4: first.");
  expect_not_in(text, "Forced edge 3");
  expect_in(text, "Forced to two boundaries, the best split is at edge 3 (90% interval 2 to 5;");
  expect_in(text, "edge 8 (interval undefined)");
  expect_in(text, "not evidence of two boundaries");
  expect_in(text, "most brittle segment of the forced split");
  expect_not_in(text, "Segments: ");
}

TEST(Summary, NoHeadline) {
  const Trace trace = trace_with_documents({10}, 4);
  Findings f;
  Detection d;
  d.detector = "either";
  d.role = DetectorRole::rule;
  d.note = "fewer than 6 blocks";
  f.detections = {d};
  const std::string text = text_of(trace, f);
  expect_in(text, "Boundaries could not be estimated");
  expect_in(text, "fewer than 6 blocks");
  expect_in(text, "only 1 document: ");
  expect_not_in(text, "brittle");
  text_of(trace, Findings{});  // nothing at all is still whole sentences
}

TEST(Summary, FewDocumentsInTheLanesOnly) {
  std::vector<int> lanes(16, 0);
  lanes[0] = lanes[1] = 10;
  const Trace trace = trace_with_documents(lanes, 12);
  expect_in(text_of(trace, two_boundaries()), "Brittleness was measured on only 2 documents");
}

TEST(Summary, UndefinedKappaAndMassiveTokens) {
  Trace trace = trace_with_documents(std::vector<int>(16, 10), 12);
  trace.n_massive = 3;
  SinkToken sink;
  sink.text = "the";
  sink.position = 17;
  sink.peak_ratio = 123.4;
  sink.onset_state = 2;
  sink.offset_state = 11;
  trace.sinks = {sink};
  Findings f = two_boundaries();
  f.kappa[5].kappa = f.kappa[5].standard_error = kUndefinedValue;
  f.kappa[5].note = "no quadratic range: reasons";
  for (auto& b : f.brittleness) b.kappa_geometric = kUndefinedValue;
  const std::string text = text_of(trace, f);
  expect_in(text,
            "Kappa is undefined for 1 of 13 states; at the input of block 5: no quadratic range: reasons.");
  expect_in(text, "The brittleness of the segments is undefined.");
  expect_in(text, "occur at 3 tokens beyond the first of each window (of 1600 tokens in all)");
  expect_in(text, "\"the\" (document 0, window 0, position 17)");
  expect_in(text, "123 times");
  expect_in(text, "from state 2 to state 11");
}

}  // namespace
}  // namespace strata
