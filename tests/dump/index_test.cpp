#include "strata/dump/index.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/dump/fingerprint.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

DumpedArray state(int place) {
  return {.file = "state-" + std::to_string(place) + ".npy",
          .content = "state",
          .place = place,
          .spec = {.name = "state." + std::to_string(place), .shape = {3, 2}},
          .axes = {"row", "dimension"},
          .columns = {"a", "b"},
          .note = "a note"};
}

DumpIndex index_of(int states) {
  DumpIndex index{
      .facts = {{"model", "m"}, {"format", "npy"}}, .n_layers = 4, .hidden = 2, .documents = {"d"}};
  for (int i = 0; i < states; ++i) index.arrays.push_back(state(i));
  return index;
}

TEST(DumpIndex, ReadsBackWhatItWrites) {
  DumpIndex index = index_of(2);
  index.arrays[1].sha256 = "abc";
  index.arrays.push_back({.file = "tokens.npy",
                          .content = "tokens",
                          .spec = {.name = "tokens", .shape = {3, 4}, .type = ElementType::int32},
                          .axes = {"row", "column"}});
  const std::string text = dump_index_json(index);
  EXPECT_EQ(dump_index_json(parse_dump_index(text, "index.json")), text);
  EXPECT_EQ(nlohmann::json::parse(text)["complete"], false);
  for (DumpedArray& array : index.arrays) array.sha256 = "abc";
  EXPECT_EQ(nlohmann::json::parse(dump_index_json(index))["complete"], true);
}

// A twin for every key: gone, and of a type it cannot have.
TEST(DumpIndex, EveryKeyIsChecked) {
  DumpIndex index = index_of(1);
  index.arrays[0].sha256 = "abc";
  const auto good = nlohmann::json::parse(dump_index_json(index));
  const auto refused = [](const nlohmann::json& json) {
    EXPECT_STRATA_ERROR((void)parse_dump_index(json.dump(), "here"), ErrorKind::bad_file, "here");
  };
  for (const char* key : {"schema_version", "of", "n_layers", "documents", "arrays", "hidden"}) {
    auto twin = good;
    twin.erase(key);
    refused(twin);
    twin[key] = "text";
    if (std::string(key) != "of") refused(twin);
  }
  for (const char* key : {"file", "content", "place", "name", "dtype", "shape", "axes", "sha256"}) {
    auto twin = good;
    twin["arrays"][0].erase(key);
    refused(twin);
    twin["arrays"][0][key] = {{"an", "object"}};
    refused(twin);
  }
  for (const char* key : {"columns", "note"}) {
    auto twin = good;
    twin["arrays"][0][key] = 7;
    refused(twin);
  }
  for (const char* file : {"", "../index.json", "/etc/passwd", "..", "a/b.npy"}) {
    auto twin = good;
    twin["arrays"][0]["file"] = file;
    refused(twin);
  }
  auto twin = good;
  twin["of"]["model"] = 3;
  refused(twin);
  twin = good;
  twin["schema_version"] = 2;
  refused(twin);
  twin = good;
  twin["arrays"][0]["shape"] = {0, 2};
  refused(twin);
  twin = good;
  twin["arrays"][0]["dtype"] = "float16";
  refused(twin);
  EXPECT_STRATA_ERROR((void)parse_dump_index(std::string(100, '['), "here"), ErrorKind::bad_file, "deep");
  EXPECT_STRATA_ERROR((void)parse_dump_index("", "here"), ErrorKind::bad_file, "here");
}

TEST(DumpIndex, OtherFactsDoNotMix) {
  DumpIndex there = index_of(1), asked = index_of(1);
  check_same_dump(there, asked, "dir");
  asked.facts[0].second = "another model";
  EXPECT_STRATA_ERROR(check_same_dump(there, asked, "dir"), ErrorKind::usage, "another model");
  asked.facts = {{"model", "m"}, {"pool", "none"}};
  EXPECT_STRATA_ERROR(check_same_dump(there, asked, "dir"), ErrorKind::usage, "pool");
}

TEST(DumpIndex, KeepsWhatIsWholeAndNamesWhatIsNot) {
  const test::TemporaryDirectory directory;
  DumpIndex there = index_of(4);
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  for (int i : {0, 1, 3}) {
    auto& array = there.arrays[static_cast<std::size_t>(i)];
    ArrayWriter writer(directory.path() / array.file, ArrayFormat::npy, array.spec);
    writer.write(0, std::span<const float>(values));
    array.sha256 = writer.finish();
  }
  std::filesystem::resize_file(directory.path() / "state-1.npy", 100);
  DumpIndex asked = index_of(3);
  EXPECT_EQ(keep_finished(there, asked, ArrayFormat::npy, directory.path()),
            (std::vector<std::string>{"state-1.npy"}));
  ASSERT_EQ(asked.arrays.size(), 4u);  // state 3 was not asked for and is there
  EXPECT_EQ(asked.arrays[0].sha256, there.arrays[0].sha256);
  EXPECT_EQ(asked.arrays[1].sha256, "");
  EXPECT_EQ(asked.arrays[2].sha256, "");
  EXPECT_EQ(asked.arrays[3].place, 3);
}

TEST(Fingerprint, TellsWeightsApartAndNothingElse) {
  const test::TemporaryDirectory directory;
  const auto of = [&](const char* name, const test::TinyCheckpoint& tiny) {
    std::filesystem::create_directories(directory.path() / name);
    test::write_checkpoint(directory.path() / name, tiny);
    return checkpoint_fingerprint(Checkpoint::open(directory.path() / name));
  };
  const std::string one = of("one", {});
  EXPECT_EQ(one.size(), 64u);
  EXPECT_EQ(of("copy", {}), one);
  EXPECT_EQ(of("sharded", {.shards = 3}), one);
  EXPECT_NE(of("seed", {.seed = 2}), one);
  EXPECT_NE(of("type", {.dtype = DType::bf16}), one);
}

}  // namespace
}  // namespace strata
