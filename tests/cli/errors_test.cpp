// Corrupt and foreign files through the program: the right exit code, one line that names the file, and
// an earlier run left as it was.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "strata/base/npy.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

StoredTensor& tensor(std::vector<StoredTensor>& tensors, const std::string& name) {
  for (StoredTensor& t : tensors) {
    if (t.name == name) return t;
  }
  throw std::runtime_error("no tensor " + name);
}

struct Broken {
  std::string name;
  std::string says;                                             ///< in the line, besides the file
  std::string file;                                             ///< that the line names
  std::function<void(TinyCheckpoint&)> edit = nullptr;          ///< before the model is written
  std::function<void(const fs::path& model)> damage = nullptr;  ///< after
  std::vector<std::string> arguments = {};
  std::function<void(const fs::path& text)> write = nullptr;  ///< writes the text given with -f
  std::string text_name = "text.txt";
  int code = 3;
};

std::function<void(const fs::path&)> writes(std::string content) {
  return [content](const fs::path& path) { write_text(path, content); };
}

std::function<void(const fs::path&)> ids(std::int32_t value, std::size_t count) {
  return [=](const fs::path& path) {
    std::vector<std::int32_t> values(count, 1);
    values[count / 2] = value;
    write_text(path, format_npy({.shape = {count}, .data = values}));
  };
}

std::function<void(TinyCheckpoint&)> config(std::function<void(nlohmann::json&)> change) {
  return [change](TinyCheckpoint& tiny) { tiny.edit_config = change; };
}

std::function<void(TinyCheckpoint&)> weights(std::function<void(std::vector<StoredTensor>&)> change) {
  return [change](TinyCheckpoint& tiny) { tiny.edit_tensors = change; };
}

// Writes a checkpoint's file again with a header of our own.
std::function<void(const fs::path&)> header(std::function<void(nlohmann::json&)> change) {
  return [change](const fs::path& model) {
    const std::string bytes = slurp(model / "model.safetensors");
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data(), 8);
    nlohmann::json parsed = nlohmann::json::parse(bytes.substr(8, size));
    change(parsed);
    write_text(model / "model.safetensors", safetensors_bytes(parsed.dump(), bytes.substr(8 + size)));
  };
}

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kNorm = "model.layers.1.input_layernorm.weight";

std::vector<Broken> broken_checkpoints() {
  return {
      {.name = "truncated",
       .says = "cut short",
       .file = kWeights,
       .damage = [](const fs::path& m) { fs::resize_file(m / kWeights, fs::file_size(m / kWeights) / 2); }},
      {.name = "truncated in the header",
       .says = "",
       .file = kWeights,
       .damage = [](const fs::path& m) { fs::resize_file(m / kWeights, 100); }},
      {.name = "empty file",
       .says = "",
       .file = kWeights,
       .damage = [](const fs::path& m) { write_text(m / kWeights, ""); }},
      {.name = "header longer than the file",
       .says = "header",
       .file = kWeights,
       .damage =
           [](const fs::path& m) {
             std::string bytes = slurp(m / kWeights);
             bytes[5] = 1;
             write_text(m / kWeights, bytes);
           }},
      {.name = "offsets overlap",
       .says = "overlap",
       .file = kWeights,
       .damage = header([](nlohmann::json& h) {
         for (nlohmann::json& offset : h[kNorm]["data_offsets"]) offset = offset.get<int>() - 8;
       })},
      {.name = "offsets beyond the end",
       .says = kNorm,
       .file = kWeights,
       .damage = header([](nlohmann::json& h) {
         h[kNorm]["data_offsets"] = {1 << 30, (1 << 30) + 64};
       })},
      {.name = "shape does not match the config",
       .says = kNorm,
       .file = "/model",
       .edit = weights([](std::vector<StoredTensor>& t) {
         tensor(t, kNorm).shape = {4, 4};
       })},
      {.name = "NaN weight",
       .says = kNorm,
       .file = kWeights,
       .edit = weights([](std::vector<StoredTensor>& t) {
         const float nan = std::numeric_limits<float>::quiet_NaN();
         std::memcpy(tensor(t, kNorm).bytes.data() + 4, &nan, sizeof(nan));
       })},
      {.name = "missing tensor",
       .says = kNorm,
       .file = "/model",
       .edit = weights([](std::vector<StoredTensor>& t) {
         std::erase_if(t, [](const StoredTensor& s) { return s.name == kNorm; });
       })},
      {.name = "missing weights",
       .says = "",
       .file = kWeights,
       .damage = [](const fs::path& m) { fs::remove(m / kWeights); }},
      {.name = "missing config",
       .says = "missing",
       .file = "config.json",
       .damage = [](const fs::path& m) { fs::remove(m / "config.json"); }},
      {.name = "config that is not JSON",
       .says = "",
       .file = "config.json",
       .damage = [](const fs::path& m) { write_text(m / "config.json", "{\"hidden_size\": 16,\n"); }},
      {.name = "no theta", .says = "rope_theta", .file = "config.json", .edit = config([](nlohmann::json& c) {
                                                                          c["rope_theta"] = nullptr;
                                                                        })},
      {.name = "no eps", .says = "rms_norm_eps", .file = "config.json", .edit = config([](nlohmann::json& c) {
                                                                          c["rms_norm_eps"] = nullptr;
                                                                        })},
      {.name = "foreign architecture",
       .says = "Gemma3ForCausalLM",
       .file = "config.json",
       .edit = config([](nlohmann::json& c) {
         c["architectures"] = {"Gemma3ForCausalLM"};
         c["model_type"] = "mixtral";
       })},
      {.name = "unknown rope scaling",
       .says = "su",
       .file = "config.json",
       .edit = config([](nlohmann::json& c) {
         c["rope_scaling"] = {{"rope_type", "su"}, {"factor", 4.0}};
       })},
      {.name = "wrong vocabulary size",
       .says = "embed_tokens",
       .file = "/model",
       .edit = config([](nlohmann::json& c) { c["vocab_size"] = 4100; })},
      {.name = "tokenizer of another model",
       .says = "another model",
       .file = "tokenizer.json",
       .edit = [](TinyCheckpoint& t) { t.vocab = 40; }},
      {.name = "no tokenizer",
       .says = "",
       .file = "tokenizer.json",
       .damage = [](const fs::path& m) { fs::remove(m / "tokenizer.json"); }},
      {.name = "tokenizer that is not JSON",
       .says = "",
       .file = "tokenizer.json",
       .damage = [](const fs::path& m) { write_text(m / "tokenizer.json", "not JSON"); }},
      {.name = "tokenizer of an unknown kind",
       .says = "Unigram",
       .file = "tokenizer.json",
       .damage =
           [](const fs::path& m) {
             nlohmann::json t = nlohmann::json::parse(slurp(m / "tokenizer.json"));
             t["model"]["type"] = "Unigram";
             write_text(m / "tokenizer.json", t.dump());
           }},
  };
}

std::vector<Broken> broken_texts() {
  return {
      {.name = "empty text", .says = "empty", .file = "text.txt", .write = writes("")},
      {.name = "not UTF-8",
       .says = "byte 300",
       .file = "text.txt",
       .write = writes(std::string(300, 'a') + "\xff" + std::string(300, 'b'))},
      {.name = "not JSONL",
       .says = "line 2",
       .file = "text.jsonl",
       .write = writes("{\"text\": \"fine\"}\n{\"text\": 7}\n"),
       .text_name = "text.jsonl"},
      {.name = "id beyond the vocabulary",
       .says = "id 4096",
       .file = "ids.npy",
       .write = ids(4096, 200),
       .text_name = "ids.npy"},
      {.name = "negative id",
       .says = "id -1",
       .file = "ids.npy",
       .write = ids(-1, 200),
       .text_name = "ids.npy"},
      {.name = "not an array", .says = "", .file = "ids.npy", .write = writes("PK"), .text_name = "ids.npy"},
  };
}

void expect_refused(const Broken& broken) {
  SCOPED_TRACE(broken.name);
  TemporaryDirectory directory;
  const fs::path model = directory.path() / "model", run = directory.path() / "run";
  TinyCheckpoint tiny = tiny_with_tokenizer();
  if (broken.edit) broken.edit(tiny);
  write_model(model, tiny);
  if (broken.damage) broken.damage(model);
  const char* const manifest = R"({"schema_version": 1, "tool": {"name": "strata"}})";
  write_text(run / "manifest.json", manifest);  // which says that the directory is strata's
  write_text(run / "results.json", "an earlier run");
  write_text(run / "report.html", "its report");
  std::vector<std::string> more = {"--quiet"};
  if (broken.write) {
    broken.write(directory.path() / broken.text_name);
    more.insert(more.end(), {"-f", (directory.path() / broken.text_name).string()});
  }
  const Result result = strata(quick_analyze(model, run, more));
  fmt::print("{:<32} {}", broken.name, result.err);
  EXPECT_EQ(result.code, broken.code);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(count_lines(result.err), 1u) << result.err;
  EXPECT_EQ(result.err.rfind("strata: ", 0), 0u) << result.err;
  EXPECT_NE(result.err.find(broken.file), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(broken.says), std::string::npos) << result.err;
  EXPECT_EQ(slurp(run / "results.json"), "an earlier run");
  EXPECT_EQ(slurp(run / "report.html"), "its report");
  EXPECT_EQ(names_in(run), (std::vector<std::string>{"manifest.json", "report.html", "results.json"}));
}

TEST(Refused, CorruptAndForeignCheckpoints) {
  for (const Broken& broken : broken_checkpoints()) expect_refused(broken);
}

TEST(Refused, CorruptTexts) {
  for (const Broken& broken : broken_texts()) expect_refused(broken);
}

// The same line without --quiet: after the line that says what is being opened, the error and no more.
TEST(Refused, LoudlyToo) {
  TemporaryDirectory directory;
  TinyCheckpoint tiny = tiny_with_tokenizer();
  tiny.edit_config = [](nlohmann::json& c) { c["rms_norm_eps"] = nullptr; };
  write_model(directory.path() / "model", tiny);
  const Result result = strata(quick_analyze(directory.path() / "model", directory.path() / "run"));
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(count_lines(result.err), 2u) << result.err;
  EXPECT_NE(result.err.find("\nstrata: "), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(directory.path() / "run"));
}

}  // namespace
}  // namespace strata::test
