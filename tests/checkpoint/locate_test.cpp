// Model paths: directories, files and GGUF splits.
#include "strata/checkpoint/locate.h"

#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "strata/checkpoint/checkpoint.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;
using test::write_text;

TEST(Locate, DirectoriesFilesAndSplits) {
  const TemporaryDirectory directory;
  const fs::path& d = directory.path();
  write_text(d / "model" / "config.json", "{}");
  EXPECT_EQ(locate_model((d / "model").string(), {}).name, "model");
  EXPECT_EQ(locate_model((d / "model").string() + "/", {}).name, "model");
  EXPECT_EQ(locate_model((d / "model" / "..").string(), {}).name, d.filename());
  write_text(d / "one.gguf", "GGUF");
  const ModelLocation one = locate_model((d / "one.gguf").string(), {});
  EXPECT_EQ(one.format, ModelFormat::gguf);
  EXPECT_EQ(one.name, "one");
  EXPECT_EQ(one.files, std::vector<fs::path>{d / "one.gguf"});
  EXPECT_EQ(one.hub_id + one.revision, "");
  write_text(d / "blob", "GGUF and more");
  EXPECT_EQ(locate_model((d / "blob").string(), {}).format, ModelFormat::gguf);
  write_text(d / "text", "GGU");
  EXPECT_STRATA_ERROR(locate_model((d / "text").string(), {}), ErrorKind::unsupported, "text: a text");
  for (int i = 1; i <= 3; ++i) write_text(d / ("big-0000" + std::to_string(i) + "-of-00003.gguf"), "GGUF");
  const ModelLocation big = locate_model((d / "big-00001-of-00003.gguf").string(), {});
  ASSERT_EQ(big.files.size(), 3u);
  EXPECT_EQ(big.files[2], d / "big-00003-of-00003.gguf");
  EXPECT_EQ(big.name, "big");
  EXPECT_STRATA_ERROR(locate_model((d / "big-00002-of-00003.gguf").string(), {}), ErrorKind::usage,
                      "whose name ends in -00001-of-00003.gguf");
  fs::remove(d / "big-00002-of-00003.gguf");
  EXPECT_STRATA_ERROR(locate_model((d / "big-00001-of-00003.gguf").string(), {}), ErrorKind::bad_file,
                      "big-00002-of-00003.gguf: missing split");
  EXPECT_STRATA_ERROR(locate_model(d.string(), {}), ErrorKind::usage, "2 GGUF models");
  fs::remove(d / "one.gguf");
  fs::remove(d / "big-00001-of-00003.gguf");
  EXPECT_STRATA_ERROR(locate_model(d.string(), {}), ErrorKind::bad_file,
                      "big-00001-of-00003.gguf: missing split");
  write_text(d / "odd-00004-of-00003.gguf", "GGUF");  // not the name of a split
  EXPECT_EQ(locate_model((d / "odd-00004-of-00003.gguf").string(), {}).files.size(), 1u);
  EXPECT_STRATA_ERROR(locate_model("", {}), ErrorKind::usage, "no such file");
}

// The first bytes decide, not the name: blobs of Ollama and of the Hub, capitals, no ending.
TEST(Locate, GgufByAnyName) {
  const TemporaryDirectory directory;
  const std::string content = test::tiny_gguf({}).bytes();
  for (const char* name : {"sha256-0123456789abcdef", "MODEL.GGUF", "Tiny-1.5B-Q4", "model.bin", "m.txt"}) {
    write_text(directory.path() / name, content);
    const ModelLocation location = locate_model((directory.path() / name).string(), {});
    EXPECT_EQ(location.format, ModelFormat::gguf) << name;
    EXPECT_EQ(location.name, name == std::string("MODEL.GGUF") ? "MODEL" : name);
    EXPECT_NO_THROW((void)Checkpoint::open(directory.path() / name)) << name;
  }
  write_text(directory.path() / "broken.gguf", "GGU");
  EXPECT_STRATA_ERROR(Checkpoint::open(directory.path() / "broken.gguf"), ErrorKind::bad_file, "broken.gguf");
  const TemporaryDirectory splits;
  test::write_splits(splits.path(), test::tiny_gguf({}), 2);
  for (const int i : {1, 2}) {
    const std::string stem = "model-0000" + std::to_string(i) + "-of-00002";
    fs::rename(splits.path() / (stem + ".gguf"), splits.path() / (stem + ".GGUF"));
  }
  EXPECT_EQ(Checkpoint::open(splits.path()).files().size(), 2u);
  EXPECT_STRATA_ERROR(Checkpoint::open(splits.path() / "model-00002-of-00002.GGUF"), ErrorKind::usage,
                      "-00001-of-00002.GGUF");
}

TEST(Locate, OneGgufInAFolderBelow) {
  const TemporaryDirectory directory;
  write_text(directory.path() / "README.md", "# Tiny");
  write_text(directory.path() / "Q8_0" / "tiny.gguf", test::tiny_gguf({}).bytes());
  write_text(directory.path() / "Q8_0" / "mmproj-tiny.gguf", "GGUF");
  write_text(directory.path() / "imatrix.gguf", "GGUF");
  EXPECT_EQ(locate_model(directory.path().string(), {}).path, directory.path() / "Q8_0" / "tiny.gguf");
}

TEST(Locate, NearMissesAreGuessed) {
  const TemporaryDirectory directory;
  test::write_checkpoint(directory.path() / "llama-nano", {});
  EXPECT_STRATA_ERROR(locate_model((directory.path() / "lama-nano").string(), {}), ErrorKind::usage,
                      "did you mean " + (directory.path() / "llama-nano").string() + "?");
  EXPECT_STRATA_ERROR(locate_model((directory.path() / "llama-nano/config.jsn").string(), {}),
                      ErrorKind::usage, "llama-nano/config.json?");
}

}  // namespace
}  // namespace strata
