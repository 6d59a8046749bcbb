#include "strata/record/study.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "tests/support/paths.h"
#include "tests/support/synthetic_study.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

TEST(Study, TextRoundTrips) {
  const std::string text = study_json(test::synthetic_study());
  EXPECT_EQ(study_json(parse_study_json(text, "x")), text);
  EXPECT_EQ(text.find(": nan"), std::string::npos);
  const Study back = parse_study_json(text, "x");
  EXPECT_EQ(back.study.seed, 18446744073709551615u);
  EXPECT_EQ(back.verdicts[5].tag, "scale artefact");
  EXPECT_EQ(back.verdicts[5].outcome, Outcome::undecided);
  EXPECT_EQ(back.verdicts[2].outcome, Outcome::moot);
  EXPECT_TRUE(std::isnan(back.verdicts[0].claimed_region.hi));
  EXPECT_TRUE(std::isnan(back.members[0].segments[0].ln_beta));
}

// Keys that files of earlier versions lack.
bool optional(const std::string& key) {
  for (const char* const own : {"forced_boundaries", "forced_segments", "claimed_outside", "models_tested",
                                "models_selected", "power", "forced_splits"}) {
    if (key == own) return true;
  }
  return false;
}

// At every object each key in turn is removed and mistyped; of an array only the first element is looked at.
void walk_study(const Json& whole, const Json::json_pointer& at) {
  const Json& here = whole.at(at);
  if (here.is_array()) {
    if (!here.empty() && here.front().is_structured()) walk_study(whole, at / 0);
    return;
  }
  for (const auto& [key, value] : here.items()) {
    const auto path = at / key;
    Json changed = whole;
    changed.at(at).erase(key);
    if (optional(key)) {
      EXPECT_NO_THROW((void)parse_study_json(changed.dump(), "study.json")) << path;
    } else {
      EXPECT_STRATA_ERROR(parse_study_json(changed.dump(), "study.json"), ErrorKind::bad_file,
                          path.to_string());
    }
    changed = whole;
    changed.at(path) = value.is_object() ? Json("text") : Json::object();
    EXPECT_STRATA_ERROR(parse_study_json(changed.dump(), "study.json"), ErrorKind::bad_file,
                        path.to_string());
    if (value.is_structured()) walk_study(whole, path);
  }
}

TEST(Study, EveryKeyMissingOrMistyped) {
  walk_study(Json::parse(study_json(test::synthetic_study())), Json::json_pointer(""));
}

// Files of before forced splits stood apart: boundaries of a forced member are its forced split.
TEST(Study, ReadsForcedBoundariesOfEarlierVersions) {
  const Study now = test::synthetic_study();
  ASSERT_TRUE(now.members[3].forced);
  Json old = Json::parse(study_json(now));
  old.erase("forced_splits");
  for (Json& m : old["members"]) {
    if (m["forced"] == true) {
      m["boundaries"] = m["forced_boundaries"];
      m["segments"] = m["forced_segments"];
    }
    m.erase("forced_boundaries");
    m.erase("forced_segments");
  }
  for (Json& v : old["verdicts"]) {
    for (const char* key : {"claimed_outside", "models_tested", "models_selected", "power"}) v.erase(key);
    if (v["outcome"] == "moot") v["outcome"] = "undecided";
    v["forced"] = true;
  }
  const Study back = parse_study_json(old.dump(), "study.json");
  EXPECT_TRUE(back.members[3].boundaries.empty());
  EXPECT_TRUE(back.members[3].segments.empty());
  ASSERT_EQ(back.members[3].forced_boundaries.size(), 2u);
  EXPECT_EQ(back.members[3].forced_boundaries[0].edge, now.members[3].forced_boundaries[0].edge);
  EXPECT_EQ(back.members[3].forced_segments.size(), 3u);
  EXPECT_EQ(back.members[0].boundaries.size(), 2u);
  EXPECT_TRUE(back.verdicts[0].forced);
}

TEST(Study, UnknownNamesAndVersions) {
  Json document = Json::parse(study_json(test::synthetic_study()));
  document["verdicts"][0]["outcome"] = "proven";
  EXPECT_STRATA_ERROR(parse_study_json(document.dump(), "s"), ErrorKind::bad_file,
                      "one of supported, refuted, undecided, moot");
  document["schema_version"] = 2;
  EXPECT_STRATA_ERROR(parse_study_json(document.dump(), "s"), ErrorKind::unsupported,
                      "run strata compare again");
}

std::size_t fields_of(const std::string& line) {
  std::size_t n = 1;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) ++n;
  }
  return n;
}

TEST(Study, TablesAreTidy) {
  for (const std::string& table :
       {families_csv(test::synthetic_study()), verdicts_csv(test::synthetic_study())}) {
    const std::size_t columns = fields_of(table.substr(0, table.find('\n')));
    std::size_t rows = 0;
    for (std::size_t begin = 0; begin < table.size(); ++rows) {
      const std::size_t end = table.find('\n', begin);
      EXPECT_EQ(fields_of(table.substr(begin, end - begin)), columns) << table.substr(begin, end - begin);
      begin = end + 1;
    }
    EXPECT_GT(rows, 10u);
  }
  EXPECT_NE(verdicts_csv(test::synthetic_study()).find("T6,between_model,undecided,scale artefact,"),
            std::string::npos);
}

TEST(Study, WrittenAndReadBack) {
  const test::TemporaryDirectory directory;
  const Study study = test::synthetic_study();
  write_study(directory.path() / "out", study);
  EXPECT_EQ(study_json(read_study(directory.path() / "out")), study_json(study));
  EXPECT_EQ(read_file(directory.path() / "out" / "verdicts.csv"), verdicts_csv(study));
  test::write_text(directory.path() / "file", "x");
  EXPECT_STRATA_ERROR(write_study(directory.path() / "file", study), ErrorKind::run_failed, "file");
}

}  // namespace
}  // namespace strata
