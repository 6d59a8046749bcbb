#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "strata/base/error.h"
#include "strata/record/run_directory.h"
#include "tests/support/paths.h"
#include "tests/support/synthetic_run.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

Json sample() {
  return Json::parse(results_json(test::synthetic_run(8)));
}

void expect_bad(const Json& document, const std::string& text) {
  EXPECT_STRATA_ERROR(parse_results_json(document.dump(), "results.json"), ErrorKind::bad_file, text);
}

TEST(Json, TextRoundTrips) {
  for (const strata::Run& run :
       {test::synthetic_run(12), test::undefined_run(12), test::tiny_run(), test::synthetic_run(80)}) {
    strata::Run without = run;
    for (CkaRecord& cka : without.trace.cka) cka.replicates.clear();
    const std::string text = results_json(without);
    EXPECT_EQ(results_json(parse_results_json(text, "x")), text);
  }
}

TEST(Json, ExactDoublesAndExtremes) {
  strata::Run run = test::tiny_run();
  auto& values = run.trace.series[1].by_doc.data;
  values = {-0.0, 0.1, 5e-324, 1.7976931348623157e308, 1.0 / 3.0, 1e22};
  run.trace.run.seed = std::numeric_limits<std::uint64_t>::max();
  run.trace.n_tokens = std::numeric_limits<std::int64_t>::min();
  const strata::Run back = parse_results_json(results_json(run), "x");
  EXPECT_EQ(back.trace.series[1].by_doc.data, values);
  EXPECT_TRUE(std::signbit(back.trace.series[1].by_doc.data[0]));
  EXPECT_EQ(back.trace.run.seed, run.trace.run.seed);
  EXPECT_EQ(back.trace.n_tokens, run.trace.n_tokens);
}

TEST(Json, UndefinedIsNullAndBack) {
  strata::Run run = test::tiny_run();
  run.trace.series[0].by_doc.data[0] = std::numeric_limits<double>::infinity();
  const std::string text = results_json(run);
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("inf"), std::string::npos);
  const strata::Run back = parse_results_json(text, "x");
  EXPECT_TRUE(std::isnan(back.trace.series[0].by_doc(0, 0)));
  EXPECT_TRUE(std::isnan(back.trace.series[0].by_doc(0, 2)));
  EXPECT_TRUE(std::isnan(back.findings.kappa[0].critical_strength));
}

TEST(Json, JointValuesTakeThePlaceOfMeans) {
  strata::Run run = test::tiny_run();
  Series& series = run.trace.series[0];
  const std::size_t places = series.by_doc.cols;
  series.joint.assign(places, 0.25);
  series.joint_error.assign(places, 0.5);
  const strata::Run back = parse_results_json(results_json(run), "x");
  EXPECT_EQ(back.trace.series[0].joint, series.joint);
  EXPECT_EQ(mean_over_documents(back.trace.series[0]), series.joint);
  EXPECT_EQ(standard_error(back.trace.series[0]), series.joint_error);
  Json document = Json::parse(results_json(run));
  const std::string text = document.dump();
  const std::size_t at = text.find("\"joint\":[0.25");
  ASSERT_NE(at, std::string::npos);
  std::string shorter = text;
  shorter.replace(at, std::string("\"joint\":[0.25,").size(), "\"joint\":[");
  EXPECT_STRATA_ERROR(parse_results_json(shorter, "results.json"), ErrorKind::bad_file, "/joint");
}

TEST(Json, DerivedMeansAreThereForReaders) {
  const Json document = Json::parse(results_json(test::tiny_run()));
  EXPECT_EQ(document["series"][0]["mean"].dump(), "[0.6875,0.25,null]");
  EXPECT_EQ(document["series"][0]["standard_error"].dump(), "[0.09375,0.0,null]");
}

TEST(Json, NamesThatAreNotUtf8AreReplacedNotFatal) {
  strata::Run run = test::tiny_run();
  run.trace.documents[0].name = "a\xff.txt";
  EXPECT_EQ(parse_results_json(results_json(run), "x").trace.documents[0].name, "a\xef\xbf\xbd.txt");
}

TEST(Json, UnknownKeysOfALaterVersionAreIgnored) {
  Json document = sample();
  document["later"] = {{"x", 1}};
  document["model"]["later"] = 1;
  EXPECT_EQ(parse_results_json(document.dump(), "x").trace.model.n_layers, 8);
}

// Keys that files of an earlier strata lack.
const std::set<std::string> kOptional{"/model/hub_id",
                                      "/model/revision",
                                      "/model/checkpoint_digest_kind",
                                      "/run/device",
                                      "/run/noise_floor_nats",
                                      "/findings/reproductions",
                                      "/findings/groups_left_out",
                                      "/findings/agreement",
                                      "/findings/rate_distortion",
                                      "/findings/segment_rate_distortion",
                                      "/spectra",
                                      "/bottlenecks",
                                      "/lens_passages",
                                      "/findings/random_twins",
                                      "/findings/null_profiles",
                                      "/findings/kappa/0/estimator",
                                      "/findings/kappa/0/fisher",
                                      "/findings/kappa/0/fisher_error",
                                      "/findings/kappa/0/difference_z",
                                      "/documents/0/lane_bytes",
                                      "/curves/0/head",
                                      "/curves/0/continuous",
                                      "/curves/0/top1_agreement",
                                      "/findings/kappa/0/critical_error",
                                      "/findings/kappa/0/nll",
                                      "/findings/kappa/0/nll_error",
                                      "/findings/kappa/0/absolute_fisher",
                                      "/findings/kappa/0/absolute_fisher_error",
                                      "/findings/kappa/0/absolute",
                                      "/findings/kappa/0/absolute_error",
                                      "/findings/kappa/0/absolute_nll",
                                      "/findings/kappa/0/absolute_nll_error",
                                      "/cka/0/scale",
                                      "/mask_counts",
                                      "/sink_paths",
                                      "/carriers",
                                      "/findings/carriers",
                                      "/findings/start_up",
                                      "/findings/read_out",
                                      "/findings/edge_changes",
                                      "/findings/odd_blocks",
                                      "/findings/detections/0/role",
                                      "/findings/detections/0/evidence",
                                      "/findings/detections/0/power",
                                      "/findings/detections/0/first_edge",
                                      "/findings/detections/0/last_edge",
                                      "/findings/detections/0/boundaries/0/evidence",
                                      "/findings/detections/0/boundaries/0/p_value",
                                      "/findings/detections/0/boundaries/0/found_by",
                                      "/findings/detections/0/forced_two/0/evidence",
                                      "/findings/detections/0/forced_two/0/p_value",
                                      "/findings/detections/0/forced_two/0/found_by",
                                      "/findings/splits",
                                      "/findings/doses",
                                      "/findings/brittleness/0/kappa_joint",
                                      "/findings/brittleness/0/kappa_joint_error",
                                      "/findings/brittleness/0/means",
                                      "/findings/brittleness/0/rms_effective",
                                      "/findings/brittleness/0/rms_median"};

// Walks the whole document; at every object, each key in turn is removed and mistyped. Of an array only
// the first element is entered: the others go through the same code.
void corrupt_everywhere(const Json& document, const Json::json_pointer& at, int& tried) {
  const Json& value = document[at];
  if (value.is_array() && !value.empty()) corrupt_everywhere(document, at / 0, tried);
  if (!value.is_object()) return;
  for (const auto& item : value.items()) {
    const auto path = at / item.key();
    if (item.key() == "mean" || (item.key() == "standard_error" && item.value().is_array())) continue;
    Json missing = document;
    missing[at].erase(item.key());
    if (kOptional.contains(path.to_string())) {
      EXPECT_NO_THROW(parse_results_json(missing.dump(), "results.json")) << path.to_string();
    } else {
      expect_bad(missing, path.to_string() + ": no such key");
    }
    for (const Json& wrong :
         {Json(true), Json("text"), Json(Json::object()), Json(Json::array({Json::array({"x"})}))}) {
      if (wrong.type() == item.value().type()) continue;
      Json mistyped = document;
      mistyped[path] = wrong;
      expect_bad(mistyped, path.to_string());
      ++tried;
    }
    corrupt_everywhere(document, path, tried);
  }
}

TEST(Json, EveryKeyMissingOrMistyped) {
  // tiny_run with one of everything, so that no array is empty.
  strata::Run run = test::tiny_run();
  const strata::Run full = test::synthetic_run(8);
  run.trace.warnings = {"w"};
  run.trace.sinks = {SinkToken{}};
  run.trace.cka = {CkaRecord{}};
  run.trace.cka[0].value = Matrix(4, 4, 1.0);
  run.trace.spectra = {{.width = 6, .entries = 6, .value = Matrix(4, 6), .multiplicity = Matrix(4, 6)}};
  run.trace.spectra[0].shrinkage.assign(4, 0.0);
  run.trace.bottlenecks = {BottleneckCurve{}};
  run.trace.bottlenecks[0].points = {BottleneckPoint{}};
  run.trace.lens_passages = {full.trace.lens_passages[0]};
  run.trace.lens_passages[0].rows.resize(4);
  run.findings.rate_distortion = {full.findings.rate_distortion[0]};
  run.findings.segment_rate_distortion = {{run.findings.segments[0], false, {}}};
  run.findings.sentences = {"s"};
  run.findings.carriers = {full.findings.carriers[0]};
  run.findings.carriers[0].last_state = 3;
  run.findings.carriers[0].removed_by = {2};
  run.findings.start_up = full.findings.start_up;
  run.findings.read_out = {"read-out", 2, 3};
  run.findings.edge_changes = {full.findings.edge_changes[0]};
  run.findings.edge_changes[0].edge = 1;
  run.findings.odd_blocks = {full.findings.odd_blocks[0]};
  run.findings.odd_blocks[0].block = 1;
  run.trace.mask_counts = {full.trace.mask_counts[0]};
  run.trace.carriers = {full.trace.carriers[0]};
  run.trace.sink_paths = {full.trace.sink_paths[0]};
  for (auto* values :
       {&run.trace.sink_paths[0].length, &run.trace.sink_paths[0].ratio, &run.trace.sink_paths[0].massive})
    values->resize(4);
  run.trace.sink_paths[0].dimension.resize(4);
  Reproduction rule;
  rule.rule = "fused_top_two_peaks";
  rule.edges = {1, 2};
  rule.difference = {1.0, 2.0};
  run.findings.reproductions = {rule};
  run.findings.groups_left_out = {GroupLeftOut{}};
  run.findings.groups_left_out[0].edges = {1};
  run.findings.groups_left_out[0].forced_two = {1, 2};
  run.findings.agreement = {Agreement{}};
  run.findings.agreement[0].detectors = {"fused"};
  run.findings.agreement[0].distance = Matrix(1, 1);
  run.findings.random_twins = {RandomTwins{}};
  run.findings.random_twins[0].statistic = {1.0};
  run.findings.random_twins[0].selected_k = {0};
  run.findings.random_twins[0].verdict = {"smooth"};
  run.findings.random_twins[0].forced_two = Matrix(1, 2);
  run.findings.null_profiles = {NullProfile{.kind = kShuffledText}};
  run.findings.null_profiles[0].detections = {NullDetection{.edges = {1}}};
  const std::vector<double> places(3, 1.0);
  run.findings.null_profiles[0].series = {
      NullSeries{.id = "a", .mean = places, .low = places, .high = places, .model = places}};
  run.findings.brittleness = {SegmentBrittleness{}};
  run.findings.brittleness[0].segment = run.findings.segments[0];
  run.findings.brittleness[0].means = {SegmentMean{}};
  const std::vector<double> by_doc(run.trace.documents.size(), 1.0);
  run.findings.splits = {StateSplit{.kappa_by_doc = by_doc,
                                    .absolute_by_doc = by_doc,
                                    .rms_effective_by_doc = by_doc,
                                    .rms_median_by_doc = by_doc}};
  run.findings.doses = {DoseSummary{}};
  Detection& detection = run.findings.detections[0];
  detection.forced_two = detection.boundaries;
  detection.tests = {CountTest{}};
  detection.tests[0].null_sample = {1, 2};
  detection.fits = {ModelFit{}};
  detection.fits[0].edges = {2};
  detection.k_stability = {1.0};
  detection.power = {{3.0, 0.5}};
  detection.used_signals = {"a"};
  detection.left_out = {"b"};
  int tried = 0;
  corrupt_everywhere(Json::parse(results_json(run)), Json::json_pointer(), tried);
  EXPECT_GT(tried, 300);
}

struct Corruption {
  const char* pointer;
  const char* value;
  const char* message;
};

TEST(Json, WrongLengthsAndIndices) {
  const Corruption corruptions[] = {
      {"/series/0/weight", "[1, 2]", "/series/0/weight: 2 entries; expected 16"},
      {"/series/0/by_doc/3", "[1]", "/series/0/by_doc/3: 1 numbers; expected 8"},
      {"/series/0/by_doc", "[[1]]", "/series/0/by_doc: 1 x 1 numbers; expected 16 x 8"},
      {"/series/0/axis", "\"state\"", "/series/0/by_doc: 16 x 8 numbers; expected 16 x 9"},
      {"/series/0/axis", "\"depth\"", "/series/0/axis: an unknown name; expected one of state, block, edge"},
      {"/series/0/group", "\"x\"", "/series/0/group: an unknown name"},
      {"/series/0/tokens", "\"x\"", "/series/0/tokens: an unknown name"},
      {"/series/1/tokens", "\"ordinary\"", "/id: the same series twice"},
      {"/cka/0/value", "[[1, 0], [0, 1]]", "/cka/0/value: 2 x 2 numbers; expected 9 x 9"},
      {"/cka/1/tokens", "\"ordinary\"", "/cka/1/tokens: the same token set twice"},
      {"/cka/0/n_replicates", "99999999999", "/cka/0/n_replicates: 99999999999; expected a plausible count"},
      {"/cka/0/n_replicates", "100001", "/cka/0/n_replicates: 100001; expected a plausible count"},
      {"/carriers/0/state", "9", "/carriers/0/state: 9; expected between 0 and 8"},
      {"/sink_paths/0/ratio", "[1, 2]", "/sink_paths/0/ratio: 2 entries; expected 9"},
      {"/sink_paths/0/dimension", "[1]", "/sink_paths/0/dimension: 1 entries; expected 9"},
      {"/findings/carriers/0/last_state", "1",
       "/findings/carriers/0/last_state: 1; expected between 2 and 8"},
      {"/findings/carriers/1/removed_by", "[7, 8]",
       "/findings/carriers/1/removed_by/1: 8; expected between 0 and 7"},
      {"/cka", "[1, 2, 3, 4, 5]", "/cka: 5 matrices; expected one for each token set"},
      {"/cka/0/n_replicates", "-1", "/cka/0/n_replicates: -1; expected an integer of 8 bytes"},
      {"/spectra/0/entries", "-6", "/spectra/0/entries: -6"},
      {"/spectra/0/probes", "4", "/spectra/0/entries: 6; expected 0, or as many for each probe"},
      {"/spectra/0/probes", "-1", "/spectra/0/probes: -1"},
      {"/spectra/0/width", "0", "/spectra/0/width: 0; expected at least one dimension"},
      {"/spectra/0/shrinkage", "[0.5]", "/spectra/0/shrinkage: 1 entries; expected 9"},
      {"/bottlenecks/0/state", "9", "/bottlenecks/0/state: 9; expected between 0 and 8"},
      {"/findings/rate_distortion/1/state", "9", "/findings/rate_distortion/1/state: 9"},
      {"/findings/segment_rate_distortion/0/segment/end", "0", "/segment_rate_distortion/0/segment/end: 0"},
      {"/curves/0/place", "9", "/curves/0/place: 9; expected between 0 and 8"},
      {"/curves/9/place", "8", "/curves/9/place: 8; expected between 0 and 7"},
      {"/curves/0/span", "0", "/curves/0/span"},
      {"/curves/0/strength", "[1]", "/curves/0/kl_nats: 16 x 6 numbers; expected 16 x 1"},
      {"/curves/0/delta_nll_nats", "[]", "/curves/0/delta_nll_nats: 0 x 0 numbers; expected 16 x 6"},
      {"/lens_passages/0/document", "16", "/lens_passages/0/document: 16; expected between 0 and 15"},
      {"/lens_passages/0/rows", "[]", "/lens_passages/0/rows: 0 entries; expected 9"},
      {"/lens_passages/0/rows/1/token_id", "[1]", "/lens_passages/0/rows/1/token_id: 1 entries; expected 3"},
      {"/lens_passages/0/rows/1/probability", "[]", "/rows/1/probability: 0 entries; expected 3"},
      {"/lens_passages/0/vocabulary/0/id", "4294967296", "/vocabulary/0/id: 4294967296"},
      {"/sinks/0/document", "16", "/sinks/0/document: 16; expected between 0 and 15"},
      {"/sinks/0/onset_state", "-1", "/sinks/0/onset_state"},
      {"/sinks/0/offset_state", "0", "/sinks/0/offset_state"},
      {"/model/n_layers", "0", "/model/n_layers: 0; expected at least one block"},
      {"/model/n_layers", "2147483647", "/model/n_layers: 2147483647; expected at most 4096"},
      {"/model/n_layers", "3000000000", "/model/n_layers: 3000000000; expected an integer of 4 bytes"},
      {"/model/n_layers", "8.5", "/model/n_layers: a JSON number; expected an integer"},
      {"/run/seed", "-1", "/run/seed: -1; expected an integer of 8 bytes"},
      {"/findings/headline", "10", "/findings/headline: 10; expected between -1 and 9"},
      {"/findings/start_up/end", "9", "/findings/start_up/end: 9; expected between 0 and 8"},
      {"/findings/read_out/end", "6", "/findings/read_out/end: 6; expected between 7 and 8"},
      {"/findings/edge_changes/0/edge", "8", "/findings/edge_changes/0/edge: 8; expected between 1 and 7"},
      {"/findings/edge_changes/1/signals/0/group", "\"x\"", "/signals/0/group: an unknown name"},
      {"/findings/odd_blocks/0/block", "-1", "/findings/odd_blocks/0/block: -1"},
      {"/findings/segments/0/end", "9", "/findings/segments/0/end"},
      {"/findings/segments/1/begin", "7", "/findings/segments/1/end: 6"},
      {"/findings/kappa/0/state", "9", "/findings/kappa/0/state"},
      {"/findings/brittleness/0/segment/begin", "-1", "/findings/brittleness/0/segment/begin"},
      {"/findings/detections/0/boundaries/0/edge", "8", "/boundaries/0/edge: 8; expected between 1 and 7"},
      {"/findings/detections/0/forced_two/1/edge", "0", "/forced_two/1/edge: 0"},
      {"/findings/detections/0/boundaries/0/histogram", "[1]", "/histogram: 1 entries; expected 7"},
      {"/findings/detections/0/fits/2/edges/0", "8", "/fits/2/edges/0: 8"},
      {"/findings/reproductions/0/edges/0", "8", "/findings/reproductions/0/edges/0: 8; expected between 1"},
      {"/findings/reproductions/0/difference", "[1]", "/difference: 1 entries; expected 7"},
      {"/findings/groups_left_out/0/edges", "[0]", "/findings/groups_left_out/0/edges/0: 0"},
      {"/findings/groups_left_out/0/forced_two", "[1, 8]", "/findings/groups_left_out/0/forced_two/1: 8"},
      {"/findings/groups_left_out/0/group", "\"x\"", "/findings/groups_left_out/0/group: an unknown name"},
      {"/findings/agreement/0/distance", "[[0]]",
       "/findings/agreement/0/distance: 1 x 1 numbers; expected 2"},
      {"/findings/random_twins/0/selected_k", "[0]", "/selected_k: 1 entries; expected 2"},
      {"/findings/random_twins/0/verdict", "[]", "/verdict: 0 entries; expected 2"},
      {"/findings/random_twins/0/forced_two", "[[1], [2]]", "/forced_two: 2 x 1 numbers; expected 2 x 2"},
      {"/findings/random_twins/0/rank", "4", "/rank: 4; expected between 1 and 3"},
      {"/findings/random_twins/0/rank", "0", "/rank: 0; expected between 1 and 3"},
      {"/findings/null_profiles/0/series/0/mean", "[1]", "/series/0/mean: 1 entries; expected 8"},
      {"/findings/null_profiles/0/series/0/model", "[1]", "/series/0/model: 1 entries; expected 8"},
      {"/findings/null_profiles/1/series/0/low", "[1]", "/series/0/low: 1 entries; expected 8"},
      {"/findings/null_profiles/1/series/0/high", "[]", "/series/0/high: 0 entries; expected 8"},
      {"/findings/null_profiles/0/detections/0/edges/0", "8", "/detections/0/edges/0: 8"},
      {"/findings/detections/1/tokens", "\"ordinary\"", "/detector: the same detector twice"},
  };
  const Json good = sample();
  for (const Corruption& corruption : corruptions) {
    Json document = good;
    document.at(Json::json_pointer(corruption.pointer)) = Json::parse(corruption.value);
    expect_bad(document, corruption.message);
  }
}

TEST(Json, NotJson) {
  const std::string good = results_json(test::tiny_run());
  const auto expect = [](const std::string& text, const char* message) {
    EXPECT_STRATA_ERROR(parse_results_json(text, "a/results.json"), ErrorKind::bad_file, message);
  };
  expect("", "a/results.json: ");
  expect(good.substr(0, good.size() / 2), "parse error");
  expect("[]", "a JSON array; expected an object");
  std::string literal = good;
  literal.replace(literal.find("null"), 4, "NaN ");
  expect(literal, "parse error");
  expect("{\"a\":" + std::string(100'000, '['), "nested deeper than 32 at byte 36");
  expect("{\"" + std::string(1'000'000, 'x'), "parse error at byte 1000003; expected JSON");
  std::string infinite = good;
  infinite.replace(infinite.find("null"), 4, "1e999");
  EXPECT_THROW((void)parse_results_json(infinite, "x"), Error);
}

TEST(Json, AnotherSchemaIsUnsupported) {
  Json document = sample();
  document["schema_version"] = 2;
  EXPECT_STRATA_ERROR(parse_results_json(document.dump(), "x"), ErrorKind::unsupported,
                      "x: /schema_version: 2; expected 1");
}

TEST(Json, ARecordThatCouldNotBeReadBackIsNotWritten) {
  strata::Run run = test::tiny_run();
  run.trace.series[0].weight.pop_back();
  EXPECT_THROW((void)results_json(run), std::logic_error);
}

}  // namespace
}  // namespace strata
