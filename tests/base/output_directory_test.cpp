// Whose a directory is: the rule, the lock, and what a directory looks like after each way to end.
#include "strata/base/output_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "strata/base/archive.h"
#include "strata/base/error.h"
#include "strata/base/file.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = R"({"schema_version": 1, "tool": {"name": "strata", "version": "0.1.0"}})";

class OutputDirectoryTest : public testing::Test {
 protected:
  [[nodiscard]] fs::path at(const std::string& name) const { return directory_.path() / name; }
  static std::set<std::string> names(const fs::path& path) {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(path))
      found.insert(entry.path().lexically_relative(path).string());
    return found;
  }

 private:
  test::TemporaryDirectory directory_;
};

TEST_F(OutputDirectoryTest, AFailedRunLeavesWhatWasThere) {
  { const OutputDirectory output(at("new/below"), OutputKind::analysis); }
  EXPECT_FALSE(fs::exists(at("new")));
  fs::create_directory(at("mine"));
  fs::permissions(at("mine"), fs::perms(0711));
  { const OutputDirectory output(at("mine/"), OutputKind::analysis); }
  EXPECT_TRUE(fs::is_empty(at("mine")));
  EXPECT_EQ(fs::status(at("mine")).permissions(), fs::perms(0711));
}

TEST_F(OutputDirectoryTest, TheMarkComesFirstAndGoesLast) {
  {
    OutputDirectory output(at("run"), OutputKind::study);
    EXPECT_EQ(names(at("run")), (std::set<std::string>{"partial", "partial/owner.json"}));
    write_file_atomic(at("run") / "families.csv", "x");
  }  // failed in its last writes: the mark stays, and the command can be repeated
  EXPECT_TRUE(fs::exists(at("run/partial/owner.json")));
  EXPECT_STRATA_ERROR(OutputDirectory(at("run"), OutputKind::twins), ErrorKind::usage,
                      "a study of strata compare");
  OutputDirectory output(at("run"), OutputKind::study);
  output.commit([&] { write_file_atomic(at("run") / "study.json", "{}"); }, kManifest);
  EXPECT_EQ(names(at("run")), (std::set<std::string>{"families.csv", "manifest.json", "study.json"}));
  EXPECT_TRUE(is_finished_output(at("run")));
  EXPECT_NO_THROW(OutputDirectory(at("run"), OutputKind::study));
}

TEST_F(OutputDirectoryTest, OneProcessAtATime) {
  const OutputDirectory first(at("run"), OutputKind::analysis);
  EXPECT_STRATA_ERROR(OutputDirectory(at("run"), OutputKind::analysis), ErrorKind::usage,
                      "in use by another strata");
  EXPECT_TRUE(fs::exists(at("run/partial/owner.json")));  // the second took nothing away
}

// Killed at any step of its birth, a directory is still strata's to take.
TEST_F(OutputDirectoryTest, AnUnbornMarkIsTaken) {
  for (const std::string half : {"", "{\"made_by\": \"str"}) {
    fs::create_directories(at("run/partial"));
    std::ofstream(at("run/partial/owner.json")) << half;
    EXPECT_NO_THROW(OutputDirectory(at("run"), OutputKind::analysis));
  }
  fs::create_directories(at("only/partial"));
  EXPECT_NO_THROW(OutputDirectory(at("only"), OutputKind::dump));
  test::write_text(at("other/partial/owner.json"), "{\"made_by\": \"someone\"}");
  EXPECT_STRATA_ERROR(OutputDirectory(at("other"), OutputKind::dump), ErrorKind::usage, "not a dump");
  EXPECT_EQ(names(at("other")), (std::set<std::string>{"partial", "partial/owner.json"}));
}

TEST_F(OutputDirectoryTest, WhatARunHasSavedGoesByNameAndContent) {
  OutputDirectory output(at("run"), OutputKind::analysis);
  {
    Archive archive(output.partial() / "clean.snapshot", "key", Archive::Direction::write);
    archive.finish();
    fs::create_directories(output.partial() / "shuffled text auto" / "same text in order");
    Archive nested(output.partial() / "shuffled text auto" / "same text in order" / "measured.snapshot",
                   "key", Archive::Direction::write);
    nested.finish();
  }
  test::write_text(output.partial() / "run.json", "{}");
  test::write_text(output.partial() / "lanes.snapshot.tmp123", "half");
  test::write_text(output.partial() / "mine.snapshot", "a picture");
  test::write_text(output.partial() / "random weights 3" / "notes.txt", "mine");
  output.forget_partial();
  EXPECT_EQ(names(output.partial()), (std::set<std::string>{"mine.snapshot", "owner.json", "random weights 3",
                                                            "random weights 3/notes.txt"}));
}

// Killed between the manifest and the removal of partial/, a run is finished; before the manifest it is not.
TEST_F(OutputDirectoryTest, FinishedIsSaidByTheManifestThatCameLast) {
  test::write_text(at("run/manifest.json"), kManifest);
  test::write_text(at("run/results.json"), "{}");
  EXPECT_TRUE(is_finished_output(at("run")));
  test::write_text(at("run/partial/run.json"), "{}");  // a later run over it, unfinished
  EXPECT_FALSE(is_finished_output(at("run")));
  test::write_text(at("run/partial/writing"), "");
  EXPECT_TRUE(is_finished_output(at("run")));
  { const OutputDirectory tidy(at("run"), OutputKind::analysis); }
  EXPECT_FALSE(fs::exists(at("run/partial")));
  fs::remove(at("run/manifest.json"));
  EXPECT_FALSE(is_finished_output(at("run")));
}

TEST_F(OutputDirectoryTest, WhatCannotBeListedIsNotCalledEmpty) {
  if (::geteuid() == 0) GTEST_SKIP() << "root lists every directory";
  test::write_text(at("dark/thesis.tex"), "mine");
  fs::permissions(at("dark"), fs::perms(0300));
  EXPECT_STRATA_ERROR(OutputDirectory(at("dark"), OutputKind::analysis), ErrorKind::run_failed,
                      "cannot list");
  fs::permissions(at("dark"), fs::perms(0700));
  EXPECT_EQ(names(at("dark")), std::set<std::string>{"thesis.tex"});
}

TEST_F(OutputDirectoryTest, ACheckpointIsRemovedByItsNames) {
  for (const char* name : {"config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
                           "config.json.tmp12", "tokenizer.json"})
    test::write_text(at("twin") / name, "x");
  EXPECT_TRUE(remove_checkpoint(at("twin")));
  EXPECT_FALSE(fs::exists(at("twin")));
  test::write_text(at("mine/model-1-of-2.safetensors"), "x");
  test::write_text(at("mine/config.json"), "x");
  EXPECT_FALSE(remove_checkpoint(at("mine")));
  EXPECT_EQ(names(at("mine")), std::set<std::string>{"model-1-of-2.safetensors"});
}

TEST(File, AViewBeyondTheMappedFileIsAnError) {
  const test::TemporaryDirectory dir;
  test::write_text(dir.path() / "weights", "0123456789");
  const MappedFile file(dir.path() / "weights");
  EXPECT_EQ(file.view(2, 3).size(), 3u);
  EXPECT_EQ(file.view(10, 0).size(), 0u);
  for (const auto& [offset, size] :
       {std::pair<std::uint64_t, std::uint64_t>{8, 3}, {11, 0}, {UINT64_MAX, 2}, {2, UINT64_MAX}})
    EXPECT_STRATA_ERROR(file.view(offset, size), ErrorKind::bad_file, "weights: 10 bytes");
  test::write_text(dir.path() / "empty", "");
  EXPECT_STRATA_ERROR(MappedFile(dir.path() / "empty").view(0, 1), ErrorKind::bad_file, "empty: 0 bytes");
}

TEST(File, TemporaryNamesAreExact) {
  EXPECT_TRUE(is_temporary_name("results.json.tmp123", "results.json"));
  for (const char* name : {"results.json.tmp", "results.json.tmp1a", "results.json", "xresults.json.tmp1",
                           "notes.tmp1", "results.json.tmp1.gz"})
    EXPECT_FALSE(is_temporary_name(name, "results.json")) << name;
  EXPECT_TRUE(is_temporary_name(temporary_name("a/results.json").filename().string(), "results.json"));
}

}  // namespace
}  // namespace strata
