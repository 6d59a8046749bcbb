// What people give by mistake: each kind is named, and what to do.
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

constexpr ErrorKind kBad = ErrorKind::bad_file;
constexpr ErrorKind kUnsupported = ErrorKind::unsupported;

struct Impostor {
  std::string content, says;
};

std::vector<Impostor> impostors() {
  const std::string name = "blk.0.attn_q.weight";
  return {{"version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 123\n",
           "a Git LFS pointer"},
          {"<!doctype html>\n<html class=\"\">", "a web page"},
          {"\n  <HTML><head>", "a web page"},
          {"Entry not found", "an error message of a server"},
          {"{\"error\":\"Repository not found\"}", "an error message of a server"},
          {std::string("PK\x03\x04", 4) + "archive/data.pkl", "a zip archive"},
          {"\x80\x02}q", "a Python pickle"},
          {"\x1f\x8b\x08", "a gzip archive"},
          {"tjgg" + std::string(16, '\1'), "older than GGUF"},
          {std::string("\x05\0\0\0\x13\0\0\0", 8) + name + std::string(8, '\0'), "an importance matrix"},
          {"", "an empty file"}};
}

TEST(ForeignFiles, NamedAsSafetensorsAndAsGguf) {
  for (const Impostor& impostor : impostors()) {
    const TemporaryDirectory directory;
    test::write_checkpoint(directory.path(), {});
    write_text(directory.path() / "model.safetensors", impostor.content);
    EXPECT_STRATA_ERROR(Checkpoint::open(directory.path()), kBad, impostor.says);
    const TemporaryDirectory other;
    for (const char* name : {"model.gguf", "MODEL.GGUF"}) {
      write_text(other.path() / name, impostor.content);
      EXPECT_STRATA_ERROR(Checkpoint::open(other.path() / name), kBad, impostor.says);
    }
  }
}

// A config.json that is a pointer or a page is named too.
TEST(ForeignFiles, NamedAsConfig) {
  for (const Impostor& impostor : impostors()) {
    const TemporaryDirectory directory;
    test::write_checkpoint(directory.path(), {});
    write_text(directory.path() / "config.json", impostor.content);
    if (impostor.content.starts_with("{")) continue;  // JSON: another key is missing
    EXPECT_STRATA_ERROR(Checkpoint::open(directory.path()), kBad, impostor.says);
  }
}

TEST(ForeignFiles, GgufFilesThatAreNoModel) {
  const auto refused = [](const char* key, const test::GgufStored& value, const char* says) {
    test::GgufFile file = test::tiny_gguf({});
    file.erase("general.architecture");
    file.set(key, value);
    const TemporaryDirectory directory;
    write_text(directory.path() / "m.gguf", file.bytes());
    EXPECT_STRATA_ERROR(Checkpoint::open(directory.path() / "m.gguf"), kUnsupported, says);
  };
  refused("general.type", test::gguf_string("imatrix"), "an importance matrix");
  refused("imatrix.chunk_count", test::gguf_u32(3), "an importance matrix");
  refused("general.type", test::gguf_string("adapter"), "an adapter");
  refused("adapter.type", test::gguf_string("lora"), "an adapter");
  refused("general.type", test::gguf_string("mmproj"), "the projector");
  refused("general.architecture", test::gguf_string("clip"), "the projector");
  refused("general.architecture", test::gguf_string("controlvector"), "a control vector");
  test::GgufFile model = test::tiny_gguf({});
  model.set("general.type", test::gguf_string("model"));
  const TemporaryDirectory directory;
  write_text(directory.path() / "m.gguf", model.bytes());
  EXPECT_NO_THROW((void)Checkpoint::open(directory.path() / "m.gguf"));
}

TEST(ForeignFiles, Adapters) {
  const std::string config = "{\"base_model_name_or_path\": \"org/Base\", \"peft_type\": \"LORA\"}";
  const TemporaryDirectory beside;
  test::write_checkpoint(beside.path(), {});
  EXPECT_TRUE(Checkpoint::open(beside.path()).notes().empty());
  write_text(beside.path() / "adapter_config.json", config);
  const Checkpoint whole = Checkpoint::open(beside.path());  // measured without the adapter, which is said
  ASSERT_EQ(whole.notes().size(), 1u);
  EXPECT_NE(whole.notes()[0].find("an adapter for org/Base lies beside the weights and is not applied"),
            std::string::npos);

  const TemporaryDirectory alone;
  write_text(alone.path() / "adapter_config.json", config);
  write_text(alone.path() / "adapter_model.safetensors", test::safetensors_bytes(test::tiny_tensors({})));
  EXPECT_STRATA_ERROR(Checkpoint::open(alone.path()), kUnsupported, "an adapter for org/Base");
  EXPECT_STRATA_ERROR(Checkpoint::open(alone.path() / "adapter_model.safetensors"), kUnsupported,
                      "an adapter for org/Base");
  write_text(alone.path() / "adapter_config.json", "{");
  EXPECT_STRATA_ERROR(Checkpoint::open(alone.path()), kUnsupported, "an adapter; expected a whole model");
  write_text(alone.path() / "config.json", test::tiny_config({}).dump());
  EXPECT_STRATA_ERROR(Checkpoint::open(alone.path()), kUnsupported, "an adapter");
}

TEST(ForeignFiles, TextsAndArraysGivenAsModel) {
  const TemporaryDirectory directory;
  write_text(directory.path() / "tale.txt", "Once upon a time\n");
  EXPECT_STRATA_ERROR(Checkpoint::open(directory.path() / "tale.txt"), kUnsupported,
                      "a text; expected a directory with config.json");
  EXPECT_STRATA_ERROR(Checkpoint::open(directory.path()), kBad, "the text with -f");
  write_text(directory.path() / "ids.npy", std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_STRATA_ERROR(Checkpoint::open(directory.path() / "ids.npy"), kUnsupported, "token ids with -f");
  for (const char* name : {"pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"}) {
    write_text(directory.path() / name, std::string(64, '\0'));
    EXPECT_STRATA_ERROR(Checkpoint::open(directory.path() / name), kUnsupported, "a Python pickle");
  }
}

}  // namespace
}  // namespace strata
