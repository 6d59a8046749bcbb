// strata verify: the table, the JSON, the exit codes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "strata/base/npy.h"
#include "tests/cli/byte_model.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

// The golden reference of llama-nano as a directory of arrays, one for each block.
void write_reference(const fs::path& directory) {
  const fs::path golden = repo_path("tests/golden/llama-nano");
  fs::create_directories(directory);
  for (const char* name : {"ids.npy", "text.txt"}) fs::copy_file(golden / name, directory / name);
  const NpyArray all = read_npy(golden / "block_outputs.npy");
  const auto& values = std::get<std::vector<float>>(all.data);
  const std::size_t each = all.shape[1] * all.shape[2];
  for (std::size_t b = 0; b < all.shape[0]; ++b) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(b * each);
    write_text(directory / fmt::format("l_out-{}.npy", b),
               format_npy({.shape = {all.shape[1], all.shape[2]},
                           .data = std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(each))}));
  }
}

class Verify : public testing::Test {
 protected:
  [[nodiscard]] fs::path path(const char* name) const { return directory_.path() / name; }
  static std::string nano() { return repo_path("models/llama-nano").string(); }
  TemporaryDirectory directory_;
};

TEST_F(Verify, AgreesWithTheIndependentEngine) {
  write_reference(path("reference"));
  const Result text = strata({"verify", nano(), "--reference", path("reference").string(), "--quiet"});
  EXPECT_EQ(text.code, 0) << text.out << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_NE(text.out.find("13 of 13 checks passed"), std::string::npos) << text.out;  // ids and 12 blocks
  const Result result = strata({"verify", nano(), "--reference", path("reference").string(), "--json"});
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["passed"], true);
  EXPECT_EQ(json["ids"]["passed"], true);
  ASSERT_EQ(json["arrays"].size(), 12u);
  EXPECT_EQ(json["arrays"][11]["state"], 12);
  for (const auto& array : json["arrays"]) EXPECT_LT(array["relative"], 1e-5);
  EXPECT_EQ(json["checkpoint_sha256"].get<std::string>().size(), 64u);
}

TEST_F(Verify, ListsEveryFailureAndExitsWith5) {
  write_reference(path("reference"));
  for (const char* name : {"l_out-3.npy", "l_out-8.npy"}) {
    NpyArray array = read_npy(path("reference") / name);
    std::get<std::vector<float>>(array.data)[500] += 1.0f;
    write_text(path("reference") / name, format_npy(array));
  }
  write_text(path("reference") / "text.txt", "Another text.");
  write_text(path("reference") / "notes.md", "");
  const Result result = strata({"verify", nano(), "--reference", path("reference").string()});
  EXPECT_EQ(result.code, 5);
  EXPECT_NE(result.out.find("10 of 13 checks passed"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("position 1: "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("notes.md"), std::string::npos) << result.out;
  const auto json = nlohmann::json::parse(
      strata({"verify", nano(), "--reference", path("reference").string(), "--json"}).out);
  EXPECT_EQ(json["failures"], 3);
  for (std::size_t b = 0; b < 12; ++b) EXPECT_EQ(json["arrays"][b]["passed"], b != 3 && b != 8) << b;
  // A tolerance that forgives it, and ids alone without a text.
  fs::remove(path("reference") / "text.txt");
  const Result forgiving =
      strata({"verify", nano(), "--reference", path("reference").string(), "--tolerance", "10"});
  EXPECT_EQ(forgiving.code, 0) << forgiving.out;
}

// What the tolerance is for: constants of the config that no shape check can find wrong.
TEST_F(Verify, AWrongConstantIsFound) {
  write_reference(path("reference"));
  const std::pair<const char*, double> wrong[] = {{"rope_theta", 12000.0}, {"rms_norm_eps", 1e-6}};
  for (const auto& [key, value] : wrong) {
    fs::remove_all(path("model"));
    fs::copy(nano(), path("model"));
    auto config = nlohmann::json::parse(slurp(path("model") / "config.json"));
    config[key] = value;
    write_text(path("model") / "config.json", config.dump());
    const Result result =
        strata({"verify", path("model").string(), "--reference", path("reference").string(), "--json"});
    EXPECT_EQ(result.code, 5) << key;
    const auto json = nlohmann::json::parse(result.out);
    for (const auto& array : json["arrays"]) EXPECT_GT(array["relative"], 1e-3) << key;
  }
}

TEST_F(Verify, ABadReferenceIsOneLineAndExit3) {
  write_reference(path("reference"));
  fs::resize_file(path("reference") / "l_out-5.npy", 200);
  const Result result = strata({"verify", nano(), "--reference", path("reference").string()});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(count_lines(result.err), 1u);
  EXPECT_NE(result.err.find("l_out-5.npy"), std::string::npos) << result.err;
  EXPECT_EQ(strata({"verify", nano(), "--reference", path("absent").string()}).code, 2);
}

TEST_F(Verify, WorksWithoutATokenizerWhereIdsAreGiven) {
  write_reference(path("reference"));
  fs::create_directory(path("model"));
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy_file(fs::path(nano()) / name, path("model") / name);
  const Result result = strata({"verify", path("model").string(), "--reference", path("reference").string()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("no tokenizer"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("12 of 12 checks passed"), std::string::npos) << result.out;
  // Without a reference the missing tokenizer is a failure, and the rest is still checked.
  const Result itself = strata({"verify", path("model").string()});
  EXPECT_EQ(itself.code, 5);
  EXPECT_NE(itself.out.find("tokenizer.json"), std::string::npos) << itself.out;
  EXPECT_NE(itself.out.find("5 of 6 checks passed"), std::string::npos) << itself.out;
  EXPECT_EQ(itself.out.find("nats per token"), std::string::npos) << itself.out;  // of random ids
  const Result ids =
      strata({"verify", path("model").string(), "-f", (path("reference") / "ids.npy").string()});
  EXPECT_EQ(ids.code, 0) << ids.out;
}

// Ids and a text, and no tokenizer to compare them with: that is not "0 of 0 passed".
TEST_F(Verify, NothingComparedIsNotVerified) {
  write_reference(path("reference"));
  for (int b = 0; b < 12; ++b) fs::remove(path("reference") / fmt::format("l_out-{}.npy", b));
  fs::create_directory(path("model"));
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy_file(fs::path(nano()) / name, path("model") / name);
  const Result text = strata({"verify", path("model").string(), "--reference", path("reference").string()});
  EXPECT_EQ(text.code, 5) << text.out;
  EXPECT_NE(text.out.find("nothing was compared"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("no tokenizer"), std::string::npos) << text.out;
  const Result json =
      strata({"verify", path("model").string(), "--reference", path("reference").string(), "--json"});
  EXPECT_EQ(json.code, 5);
  EXPECT_EQ(nlohmann::json::parse(json.out)["passed"], false);
  EXPECT_EQ(strata({"verify", nano(), "--reference", path("reference").string()}).code, 0);
}

TEST_F(Verify, AModelAgainstItself) {
  const Result result = strata({"verify", nano(), "--json", "--chunks", "2"});
  EXPECT_EQ(result.code, 0) << result.out;
  const auto json = nlohmann::json::parse(result.out);
  ASSERT_EQ(json["checks"].size(), 7u);
  for (const auto& check : json["checks"]) EXPECT_EQ(check["passed"], true) << check;
  write_model(path("random"), tiny_with_tokenizer());
  const Result random = strata({"verify", path("random").string()});
  EXPECT_EQ(random.code, 0) << random.out;  // a random model is legal
  EXPECT_NE(random.out.find("note: not below ln(vocabulary)"), std::string::npos) << random.out;
}

// The space that SentencePiece puts before a text failed every sound Llama 2 tokenizer.
TEST_F(Verify, TheSpaceBeforeATextIsNoFault) {
  write_checkpoint(path("model"), tiny_with_tokenizer());
  write_text(path("model") / "tokenizer.model", byte_model(true));
  const Result result = strata({"verify", path("model").string(), "--json"});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  bool said = false;
  const auto json = nlohmann::json::parse(result.out);
  for (const auto& check : json["checks"]) {
    if (check["name"] != "tokenizer round trip") continue;
    EXPECT_EQ(check["passed"], true) << check;
    said = check["detail"].get<std::string>().find("puts a space before 16 of them") != std::string::npos;
  }
  EXPECT_TRUE(said) << result.out;
}

// The weights may be fine where only the tokenizer is unknown, and the line says what to do.
TEST_F(Verify, AnUnknownTokenizerIsNotAnUnknownModel) {
  write_model(path("model"), tiny_with_tokenizer());
  auto tokenizer = nlohmann::json::parse(slurp(path("model") / "tokenizer.json"));
  tokenizer["model"]["type"] = "WordPiece";
  write_text(path("model") / "tokenizer.json", tokenizer.dump());
  const Result result = strata({"verify", path("model").string()});
  EXPECT_EQ(result.code, 5) << result.out << result.err;
  EXPECT_EQ((result.out + result.err).find("does not compute this model"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("WordPiece"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("nats"), std::string::npos) << result.out;  // a loss of random ids
  EXPECT_EQ(result.out.find("nan"), std::string::npos) << result.out;
}

TEST_F(Verify, WeightsOfNothingAreNoted) {
  TinyCheckpoint tiny = tiny_with_tokenizer();
  tiny.edit_tensors = [](std::vector<StoredTensor>& tensors) {
    for (StoredTensor& tensor : tensors) {
      if (tensor.name == "model.layers.1.mlp.down_proj.weight")
        tensor.bytes.assign(tensor.bytes.size(), '\0');
    }
  };
  write_model(path("zero"), tiny);
  const Result result = strata({"verify", path("zero").string()});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_NE(result.out.find("nothing but zeros (model.layers.1.mlp.down_proj.weight)"), std::string::npos)
      << result.out;
}

TEST_F(Verify, DamagedWeightsAreListedOneByOne) {
  TinyCheckpoint tiny = tiny_with_tokenizer();
  tiny.edit_tensors = [](std::vector<StoredTensor>& tensors) {
    for (const std::size_t i : {3u, 7u})
      tensors[i].bytes = encode(DType::f32, std::vector<float>(tensors[i].bytes.size() / 4, std::nanf("")));
  };
  write_model(path("damaged"), tiny);
  const Result result = strata({"verify", path("damaged").string(), "--quiet"});
  EXPECT_EQ(result.code, 5);
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("no forward pass: the weights are damaged"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("2 of 4 checks passed"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace strata::test
