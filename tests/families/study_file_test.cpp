// Study files: the two in the repository, and a corrupt twin for every key.
#include "strata/families/study_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/families/study_file_toml.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

TEST(StudyFile, ThePapersStudy) {
  const StudyFile file = read_study_file(test::repo_path("studies/mspgt.toml"));
  EXPECT_EQ(file.card.name, "mspgt");
  ASSERT_EQ(file.models.size(), 8u);
  EXPECT_EQ(file.models[0].name, "Llama-2-7b-hf");
  EXPECT_EQ(file.models[7].model, "Qwen/Qwen2.5-72B");
  EXPECT_EQ(resolve(file, file.models[7].model), "Qwen/Qwen2.5-72B");
  EXPECT_EQ(file.texts.size(), 3u);
  ASSERT_EQ(file.expected.size(), 3u);
  EXPECT_EQ(file.expected[2].lo, 493.0);
  EXPECT_EQ(file.expected[2].hi, 493.0);
  EXPECT_GE(file.card.notes.size(), 3u);
}

TEST(StudyFile, TheNanoStudyPointsAtWhatIsThere) {
  const StudyFile file = read_study_file(test::repo_path("studies/nano.toml"));
  EXPECT_EQ(file.analysis.lane_tokens, 1024);
  for (const StudyModel& m : file.models) EXPECT_TRUE(exists(resolve(file, m.model))) << m.model;
  for (const StudyText& t : file.texts) EXPECT_TRUE(exists(resolve(file, t.path))) << t.path;
  EXPECT_FALSE(file.texts[0].boundaries_only);
}

// Every key, as JSON.
Json full() {
  return Json::parse(R"({
    "title": "t", "source": "s", "notes": ["n"], "main_text": "b", "stable_family": "f", "variable_family": "g",
    "seed": 3,
    "analyze": {"lane_tokens": 128, "positions": 64, "lens_positions": 2, "label_samples": 1, "ctx_size": 64,
                "chunks": 3, "limit": 4, "surrogates": 19, "replicates": 20, "seed": 5, "effort": "thorough",
                "signals": ["cka_matrix"], "interventions": ["block_skip"]},
    "text": [{"name": "a", "path": "x/y.txt", "boundaries_only": true}, {"name": "b"}],
    "model": [{"model": "org/name", "name": "m", "family": "f", "size": "7B", "training": "instruct"},
              {"run": "runs/z", "text": "b"}],
    "expected": [{"quantity": "boundary_sd", "family": "f", "value": 0.5, "source": "s", "note": "n"},
                 {"quantity": "boundary_cv", "lo": 1, "hi": 2}]
  })");
}

StudyFile parse(const Json& document) {
  return parse_study_file(document.dump(), false, "study.json");
}

TEST(StudyFile, EveryKeyIsRead) {
  const StudyFile file = parse(full());
  EXPECT_EQ(file.card.seed, 3u);
  EXPECT_EQ(file.card.main_text, "b");
  EXPECT_EQ(file.analysis.surrogates, 19);
  EXPECT_EQ(file.analysis.effort, "thorough");
  EXPECT_EQ(file.analysis.interventions, (std::vector<std::string>{"block_skip"}));
  EXPECT_TRUE(file.texts[0].boundaries_only);
  EXPECT_EQ(file.models[0].training, "instruct");
  EXPECT_EQ(file.models[1].name, "z");
  EXPECT_EQ(file.models[1].text, "b");
  EXPECT_EQ(file.expected[0].hi, 0.5);
  EXPECT_EQ(file.expected[1].lo, 1.0);
}

TEST(StudyFile, TomlIsTheSame) {
  const StudyFile file = parse_study_file(
      "seed = 3\n[analyze]\nchunks = 3\n[[text]]\nname = 'b'\n"
      "[[model]]\nmodel = \"org/name\"\ntraining = 'base'\n",
      true, "s.toml");
  EXPECT_EQ(file.card.seed, 3u);
  EXPECT_EQ(file.card.main_text, "b");
  EXPECT_EQ(file.models[0].name, "name");
  EXPECT_EQ(file.analysis.chunks, 3);
}

// Each key in turn gets a value of a wrong type, and each table a key that nobody knows.
void walk(const Json& whole, const Json::json_pointer& at, int& tried) {
  const Json& here = whole.at(at);
  if (here.is_array()) {
    for (std::size_t i = 0; i < here.size(); ++i) walk(whole, at / i, tried);
  } else if (here.is_object()) {
    Json changed = whole;
    changed.at(at)["vibes"] = 1;
    EXPECT_STRATA_ERROR(parse(changed), ErrorKind::bad_file, "vibes");
    for (const auto& item : here.items()) walk(whole, at / item.key(), tried);
  }
  if (at.empty()) return;
  Json changed = whole;
  changed.at(at) = here.is_object() ? Json("x") : Json::object();
  EXPECT_STRATA_ERROR(parse(changed), ErrorKind::bad_file, "study.json: ");
  ++tried;
}

TEST(StudyFile, EveryKeyMistyped) {
  int tried = 0;
  walk(full(), Json::json_pointer(""), tried);
  EXPECT_GT(tried, 45);
}

TEST(StudyFile, ValuesOutOfRange) {
  struct Case {
    const char* pointer;
    Json value;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"/seed", -1, "whole number from 0"},
      {"/seed", 18446744073709551615u, "whole number from 0"},
      {"/analyze/lane_tokens", 63, "from 64"},
      {"/analyze/surrogates", 18, "from 19"},
      {"/analyze/effort", "some", "quick, standard or thorough"},
      {"/analyze/chunks", 1.5, "a whole number"},
      {"/text/1/name", "a", "a second time"},
      {"/text/0/name", "../up", "letters, digits"},
      {"/text/0/name", "", "letters, digits"},
      {"/model/0/name", "a/b", "letters, digits"},
      {"/model/0/training", "chat", "base or instruct"},
      {"/model/0/run", "runs/x", "one of the two"},
      {"/model/1/text", "c", "the name of a text"},
      {"/main_text", "c", "the name of a text"},
      {"/model", Json::array(), "at least one"},
      {"/expected/0/quantity", "span", "one of boundary_cv"},
      {"/expected/0/lo", 1, "value, or lo and hi"},
      {"/expected/1/value", 1, "value, or lo and hi"},
  };
  for (const Case& c : cases) {
    Json changed = full();
    changed[Json::json_pointer(c.pointer)] = c.value;
    if (std::string(c.pointer) == "/text/0/name" && c.value == "")
      changed["text"][0].erase("path"), changed["text"][0]["path"] = ".hidden";
    EXPECT_STRATA_ERROR(parse(changed), ErrorKind::bad_file, c.says);
  }
}

TEST(StudyFile, NoJsonNoTomlNoFile) {
  EXPECT_STRATA_ERROR(parse_study_file("{", false, "s"), ErrorKind::bad_file, "no JSON");
  EXPECT_STRATA_ERROR(parse_study_file(std::string(100, '['), false, "s"), ErrorKind::bad_file,
                      "nested too deeply");
  EXPECT_STRATA_ERROR(parse_study_file("a = \n", true, "s.toml"), ErrorKind::bad_file, "s.toml: line 1");
  EXPECT_STRATA_ERROR(parse_study_file("title = 2026-01-01\n", true, "s"), ErrorKind::bad_file,
                      "a date or time");
  EXPECT_STRATA_ERROR(parse_study_file("seed = inf\n", true, "s"), ErrorKind::bad_file, "not finite");
  std::string deep = "a";
  for (int i = 0; i < 100'000; ++i) deep += ".a";
  EXPECT_STRATA_ERROR(parse_study_file(deep + " = 1\n", true, "s"), ErrorKind::bad_file,
                      "more than 200 dots");
  EXPECT_STRATA_ERROR(parse_study_file("a = " + std::string(5000, '['), true, "s"), ErrorKind::bad_file,
                      "line 1");
  EXPECT_STRATA_ERROR(read_study_file("no/such/study.toml"), ErrorKind::usage, "no/such/study.toml");
  const test::TemporaryDirectory directory;
  test::write_text(directory.path() / "big.toml", std::string((1u << 20) + 1, '\n'));
  EXPECT_STRATA_ERROR(read_study_file(directory.path() / "big.toml"), ErrorKind::bad_file, "at most 1048576");
}

}  // namespace
}  // namespace strata
