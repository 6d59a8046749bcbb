// What people give as a model, through the program: any name, swapped arguments, near misses, notes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/support/tiny_gguf.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

std::string utf8(unsigned code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

// A token for each byte, under the names of GPT-2.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    tokens.push_back(utf8(printable ? byte : next++));
  }
  return tokens;
}

GgufFile with_bytes() {
  GgufFile file = tiny_gguf({.vocab = 256, .context = 512});
  file.set("tokenizer.ggml.model", gguf_string("gpt2"));
  file.set("tokenizer.ggml.pre", gguf_string("default"));
  file.set("tokenizer.ggml.tokens", gguf_strings(byte_tokens()));
  file.set("tokenizer.ggml.merges", gguf_strings({}));
  return file;
}

// Blobs of Ollama and of the Hub, capitals: each brings its tokenizer as the file that ends in .gguf does.
TEST(ModelPaths, GgufByAnyNameInEveryCommand) {
  const TemporaryDirectory directory;
  const std::string text = (directory.path() / "text.txt").string();
  write_text(text, std::string(300, 'a'));
  std::string line;
  for (const char* name : {"tiny.gguf", "sha256-0123abcd", "TINY.GGUF", "tiny-1.5"}) {
    const std::string model = (directory.path() / name).string();
    write_text(model, with_bytes().bytes());
    const Result plan = strata({"analyze", model, "-f", text, "--dry-run"});
    EXPECT_EQ(plan.code, 0) << name << plan.err;
    const std::string said = plan.err.substr(plan.err.find("text text.txt"));
    if (line.empty()) line = said;
    EXPECT_EQ(said, line) << name;
    EXPECT_NE(said.find("1 document, 1 window, 300 tokens"), std::string::npos) << said;
    EXPECT_EQ(strata({"dump", model, "-f", text, "--dry-run", "-o", (directory.path() / "d").string()}).code,
              0);
    const Result card = strata({"inspect", model, "--json"});
    ASSERT_EQ(card.code, 0) << card.err;
    EXPECT_EQ(nlohmann::json::parse(card.out)["tokenizer"]["tokens"], 256) << name;
  }
}

TEST(ModelPaths, SwappedArguments) {
  const TemporaryDirectory directory;
  const std::string model = (directory.path() / "model").string();
  write_model(model, tiny_with_tokenizer());
  const std::string text = (directory.path() / "tale.txt").string();
  write_text(text, "Once upon a time there was a text.\n");
  const std::string gguf = (directory.path() / "m.gguf").string();
  write_text(gguf, with_bytes().bytes());
  const auto says = [](const std::vector<std::string>& arguments, int code, const std::string& words) {
    const Result result = strata(arguments);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  };
  says({"analyze", text, "-f", model}, 3, "a text");
  for (const std::string& swapped : {model, gguf, model + "/model.safetensors"})
    says({"analyze", model, "-f", swapped}, 2, "a model; expected a text; the model comes first");
  says({"analyze", model, text}, 2, "a text is given with -f");
}

TEST(ModelPaths, DidYouMean) {
  const auto says = [](const std::vector<std::string>& arguments, const std::string& words) {
    const Result result = strata(arguments);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
  };
  says({"analyse"}, "no subcommand 'analyse'; did you mean analyze?");
  says({"anaylze", "x"}, "did you mean analyze?");
  says({"frobnicate"}, "no subcommand 'frobnicate' (see");
  const std::string nano = repo_path("models/llama-nano").string();
  says({nano}, "a path comes after one: strata analyze " + nano);
  says({"analyze", nano, "--chunk", "3"}, "did you mean --chunks?");
  says({"analyze", nano, "--signal=all"}, "did you mean --signals?");
  says({"analyze", nano, "--frobnicate"}, "--frobnicate (see");
  says({"inspect", repo_path("models/lama-nano").string()}, "did you mean " + nano + "?");
}

// An adapter beside the weights, a key that nobody knows.
TEST(ModelPaths, NotesOfTheFiles) {
  const TemporaryDirectory directory;
  TinyCheckpoint tiny = tiny_with_tokenizer();
  tiny.edit_config = [](nlohmann::json& config) { config["my_key"] = 7; };
  write_model(directory.path(), tiny);
  write_text(directory.path() / "adapter_config.json", "{}");
  const Result card = strata({"inspect", directory.path().string(), "--json"});
  ASSERT_EQ(card.code, 0) << card.err;
  EXPECT_EQ(nlohmann::json::parse(card.out)["notes"].size(), 2u);
  const std::string text = (directory.path() / "tale.txt").string();
  write_text(text, std::string(2000, 'a'));
  const Result plan = strata({"analyze", directory.path().string(), "-f", text, "--dry-run"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_NE(plan.err.find("note: config.json: my_key = 7"), std::string::npos) << plan.err;
  EXPECT_NE(plan.err.find("adapter_config.json: an adapter lies beside"), std::string::npos) << plan.err;
  // Said once in a whole run, and by a quiet one, too: it is a warning of the record.
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--quiet"}}) {
    std::vector<std::string> arguments = {"-f", text};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result run = strata(quick_analyze(directory.path(), directory.path() / "run", arguments));
    ASSERT_EQ(run.code, 0) << run.err;
    const std::size_t first = run.err.find("an adapter lies beside");
    ASSERT_NE(first, std::string::npos) << run.err;
    EXPECT_EQ(run.err.find("an adapter lies beside", first + 1), std::string::npos) << run.err;
  }
}

// llama.cpp needs tokenizer.ggml.model, and takes vocab_size for the number of tokens where it is no_vocab.
TEST(ModelPaths, GgufOfSynthHasNoVocabulary) {
  const TemporaryDirectory directory;
  const std::string model = (directory.path() / "synth.gguf").string();
  const Result made = strata({"synth", "-o", model, "--format", "gguf", "--layers", "2", "--hidden", "32",
                              "--ffn", "64", "--heads", "4", "--kv-heads", "2", "--vocab", "64"});
  ASSERT_EQ(made.code, 0) << made.err;
  const std::string bytes = slurp(model);
  const GgufMetadata metadata = parse_gguf(std::as_bytes(std::span(bytes)), "synth.gguf").metadata;
  EXPECT_EQ(metadata.string("tokenizer.ggml.model"), "no_vocab");
  EXPECT_EQ(metadata.integer("llama.vocab_size", 0, 1000), 64);
  const Result card = strata({"inspect", model, "--json"});
  ASSERT_EQ(card.code, 0) << card.err;
  EXPECT_TRUE(nlohmann::json::parse(card.out)["tokenizer"].is_null());
  EXPECT_TRUE(nlohmann::json::parse(card.out)["notes"].empty());
  const std::string text = (directory.path() / "tale.txt").string();
  write_text(text, "Once upon a time.\n");
  const Result refused = strata({"analyze", model, "-f", text});
  EXPECT_EQ(refused.code, 3);
  EXPECT_NE(refused.err.find("a model without a tokenizer"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find(".npy"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace strata::test
