// divergence.json, both ways.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "strata/base/error.h"
#include "strata/record/divergence.h"
#include "tests/support/paths.h"
#include "tests/support/synthetic_twins.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

TEST(DivergenceJson, RoundTrips) {
  for (const bool identical : {false, true}) {
    const std::string text = divergence_json(test::synthetic_twins(identical));
    const DivergenceRecord back = parse_divergence_json(text, "x");
    EXPECT_EQ(divergence_json(back), text);
    EXPECT_EQ(back.run.seed, 18446744073709551615u);
    EXPECT_EQ(back.findings.parts[4].part, Part::block);
    EXPECT_EQ(std::isnan(back.findings.additivity.mean), identical);
  }
}

TEST(DivergenceJson, WrittenAndReadBack) {
  const test::TemporaryDirectory directory;
  const DivergenceRecord record = test::synthetic_twins(false);
  write_divergence(directory.path(), record);
  EXPECT_EQ(divergence_json(read_divergence(directory.path())), divergence_json(record));
}

// Every key in turn removed and mistyped; of an array only the first element is looked at.
void walk(const Json& whole, const Json::json_pointer& at) {
  static const std::set<std::string> kDerived{"mean", "standard_error"};  // of a series: made again
  static const std::set<std::string> kOptional{"hub_id", "revision", "checkpoint_digest_kind",
                                               "weight_correlation"};
  const Json& here = whole.at(at);
  if (here.is_array()) {
    if (!here.empty() && here.front().is_structured()) walk(whole, at / 0);
    return;
  }
  for (const auto& [key, value] : here.items()) {
    const auto path = at / key;
    if (kDerived.contains(key) && path.to_string().starts_with("/series")) continue;
    Json changed = whole;
    changed.at(at).erase(key);
    if (!kOptional.contains(key)) {
      EXPECT_STRATA_ERROR(parse_divergence_json(changed.dump(), "d"), ErrorKind::bad_file, path.to_string());
    }
    changed = whole;
    changed.at(path) = value.is_object() ? Json("text") : Json::object();
    EXPECT_STRATA_ERROR(parse_divergence_json(changed.dump(), "d"), ErrorKind::bad_file, path.to_string());
    if (value.is_structured()) walk(whole, path);
  }
}

TEST(DivergenceJson, EveryKeyMissingOrMistyped) {
  walk(Json::parse(divergence_json(test::synthetic_twins(false))), Json::json_pointer(""));
}

TEST(DivergenceJson, LengthsNamesAndVersions) {
  const Json whole = Json::parse(divergence_json(test::synthetic_twins(false)));
  for (const char* table : {"relative_difference", "relative_difference_all", "cosine_distance",
                            "cosine_distance_all", "local_error", "local_error_all"}) {
    Json changed = whole;
    changed["findings"][table].erase(0);
    EXPECT_STRATA_ERROR(parse_divergence_json(changed.dump(), "d"), ErrorKind::bad_file, table);
  }
  Json changed = whole;
  changed["differing_tokens"].erase(0);
  EXPECT_STRATA_ERROR(parse_divergence_json(changed.dump(), "d"), ErrorKind::bad_file, "differing_tokens");
  changed = whole;
  changed["original"]["n_layers"] = -1;
  EXPECT_STRATA_ERROR(parse_divergence_json(changed.dump(), "d"), ErrorKind::bad_file, "one for each state");
  changed = whole;
  changed["findings"]["parts"][0]["part"] = "soul";
  EXPECT_STRATA_ERROR(parse_divergence_json(changed.dump(), "d"), ErrorKind::bad_file, "an unknown name");
  changed = whole;
  changed["schema_version"] = 2;
  EXPECT_STRATA_ERROR(parse_divergence_json(changed.dump(), "d"), ErrorKind::unsupported, "strata compare");
}

}  // namespace
}  // namespace strata
