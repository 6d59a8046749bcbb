// The vocabularies of Llama 2, Llama 3 and Qwen2 on llama.cpp's test vectors, through every kind of file that
// holds them. They are third-party data and stay outside the repository.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "strata/gguf/gguf.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"

namespace strata {
namespace {

using Ids = std::vector<std::int32_t>;

struct Vector {
  std::string input;
  Ids ids;
};

// `.inp` holds the texts with a line between them, `.out` one line of ids for each.
std::vector<Vector> vectors_of(const std::filesystem::path& gguf) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  const std::string content = read_file(gguf.string() + ".inp");
  std::istringstream lines(read_file(gguf.string() + ".out"));
  std::vector<Vector> all;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = content.find(separator, at);
    std::string line;
    EXPECT_TRUE(std::getline(lines, line));
    std::istringstream numbers(line);
    all.push_back({content.substr(at, end - at), {std::istream_iterator<std::int32_t>(numbers), {}}});
    at = end == std::string::npos ? end : end + separator.size();
  }
  std::string rest;
  EXPECT_FALSE(std::getline(lines, rest) && !rest.empty()) << rest;
  EXPECT_EQ(all.size(), 46u);
  return all;
}

std::vector<std::string> tales() {
  std::vector<std::string> all;
  for (int i = 1; i <= 16; ++i)
    all.push_back(read_file(test::repo_path(fmt::format("texts/tales/{:02}.txt", i))));
  return all;
}

void expect_vectors(const Tokenizer& tokenizer, const std::vector<Vector>& vectors,
                    const std::string& space) {
  for (const Vector& vector : vectors) {
    EXPECT_EQ(tokenizer.encode(vector.input, false), vector.ids) << in_quotes(vector.input);
    const std::string prefix = vector.input.empty() ? "" : space;
    EXPECT_EQ(tokenizer.decode(vector.ids), prefix + vector.input);
  }
}

struct Published {
  const char* name;
  const char* file;
  const char* space;  ///< that decoding has before the text
  Ids prefix;
  std::int32_t vocab_size;
};

class PublishedVocabulary : public testing::TestWithParam<Published> {};

TEST_P(PublishedVocabulary, LlamaCppsVectors) {
  const std::string base = std::string("third-party/tokenizers/") + GetParam().file;
  const auto path = test::shared_data(base);
  if (!path) GTEST_SKIP() << base << " is not here";
  const Tokenizer tokenizer = Tokenizer::for_model(*path);
  EXPECT_EQ(tokenizer.prefix(), GetParam().prefix);
  EXPECT_TRUE(tokenizer.suffix().empty());
  EXPECT_EQ(tokenizer.vocab_size(), GetParam().vocab_size);
  expect_vectors(tokenizer, vectors_of(*path), GetParam().space);
}

// The Llama 3 file says nothing of add_bos_token: llama.cpp adds it for this pre-tokenizer.
INSTANTIATE_TEST_SUITE_P(Files, PublishedVocabulary,
                         testing::Values(Published{"Llama2", "ggml-vocab-llama-spm.gguf", " ", {1}, 32000},
                                         Published{
                                             "Llama3", "ggml-vocab-llama-bpe.gguf", "", {128000}, 128256},
                                         Published{"Qwen2", "ggml-vocab-qwen2.gguf", "", {}, 151936}),
                         [](const auto& file) { return file.param.name; });

class Llama2 : public testing::Test {
 protected:
  void SetUp() override {
    model_ = test::shared_data("third-party/tokenizers/llama2-tokenizer.model");
    gguf_ = test::shared_data("third-party/tokenizers/ggml-vocab-llama-spm.gguf");
    if (!model_ || !gguf_) GTEST_SKIP() << "third-party/tokenizers is not here";
  }
  std::optional<std::filesystem::path> model_, gguf_;
};

TEST_F(Llama2, TheModelFileOnEveryVector) {
  const Tokenizer tokenizer = Tokenizer::from_sentencepiece(*model_);
  EXPECT_EQ(tokenizer.prefix(), Ids{1});
  EXPECT_TRUE(tokenizer.suffix().empty());
  EXPECT_EQ(tokenizer.vocab_size(), 32000);
  expect_vectors(tokenizer, vectors_of(*gguf_), " ");
}

// Texts that no vector has: special tokens in them, marks, runs of spaces, bytes that fall back.
const std::vector<std::string> kCorners = {"<s>a</s> b<unk>c",
                                           "</s>",
                                           "a<s>",
                                           "<0x41> <s",
                                           "\u2581a \u2581 b",
                                           "a   b  \n  c ",
                                           "\U0001f9ac\u0378",
                                           std::string("\0x", 2),
                                           std::string(3000, ' ') + "x",
                                           std::string(3000, 'a')};

TEST_F(Llama2, TheGgufAgreesWithTheModelFile) {
  const Tokenizer gguf = Tokenizer::for_model(*gguf_);
  const Tokenizer model = Tokenizer::from_sentencepiece(*model_);
  for (const auto& texts : {tales(), kCorners}) {
    for (const std::string& text : texts) {
      const Ids ids = model.encode(text, true);
      EXPECT_EQ(gguf.encode(text, true), ids) << in_quotes(text);
      EXPECT_EQ(gguf.decode(ids), model.decode(ids));
    }
  }
}

// tokenizer.json as transformers' converter makes it from the pieces: merges are all pairs of pieces whose
// concatenation is a piece, the highest score of that piece first.
nlohmann::json converted(const GgufMetadata& gguf) {
  const auto tokens = gguf.strings("tokenizer.ggml.tokens");
  const auto scores = gguf.floats("tokenizer.ggml.scores");
  std::map<std::string_view, std::size_t> ids;
  for (std::size_t id = 0; id < tokens.size(); ++id) ids[tokens[id]] = id;
  std::vector<std::pair<float, nlohmann::json>> merges;
  for (std::size_t id = 259; id < tokens.size(); ++id)
    for (std::size_t at = 1; at < tokens[id].size(); ++at)
      if (ids.contains(tokens[id].substr(0, at)) && ids.contains(tokens[id].substr(at)))
        merges.emplace_back(scores[id], nlohmann::json{tokens[id].substr(0, at), tokens[id].substr(at)});
  std::stable_sort(merges.begin(), merges.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  nlohmann::json json = test::tiny_characters_json();
  auto& model = json["model"];
  model["vocab"] = nlohmann::json::object();
  for (const auto& [token, id] : ids) model["vocab"][std::string(token)] = id;
  model["merges"] = nlohmann::json::array();
  for (auto& merge : merges) model["merges"].push_back(std::move(merge.second));
  return json;
}

TEST_F(Llama2, TokenizerJsonMadeFromThePieces) {
  const MappedFile file(*gguf_);
  const Tokenizer json = test::load(converted(parse_gguf(file.bytes(), "g").metadata));
  expect_vectors(json, vectors_of(*gguf_), " ");
  const Tokenizer gguf = Tokenizer::for_model(*gguf_);
  for (const auto& texts : {tales(), kCorners})
    for (const std::string& text : texts) EXPECT_EQ(json.encode(text, false), gguf.encode(text, false));
}

// Runs of spaces as one, none at the ends.
std::string squeezed(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

// A GGUF made by others, with ids of 4294967295 and without add_bos_token, and the tokenizer.model beside it.
// That model says remove_extra_whitespaces; the GGUF does not, and llama.cpp would not heed it: texts with
// runs of spaces have different ids by construction.
TEST(Stories260K, TheGgufAgreesWithTheModelFile) {
  const auto gguf = test::shared_data("third-party/models/stories260K.tok512.gguf");
  const auto model_path = test::shared_data("third-party/models/stories260K.tok512.model");
  const auto text = test::shared_data("third-party/texts/tinystories-200k.txt");
  if (!gguf || !model_path || !text) GTEST_SKIP() << "third-party/models is not here";
  const Tokenizer from_gguf = Tokenizer::for_model(*gguf);
  const Tokenizer model = Tokenizer::from_sentencepiece(*model_path);
  EXPECT_EQ(from_gguf.vocab_size(), 512);
  EXPECT_EQ(from_gguf.prefix(), Ids{1});
  EXPECT_EQ(model.prefix(), Ids{1});
  for (std::int32_t id = 0; id < 512; ++id) EXPECT_EQ(from_gguf.token_bytes(id), model.token_bytes(id)) << id;
  auto texts = tales();
  texts.push_back(read_file(*text));
  for (const std::string& one : texts)
    EXPECT_EQ(from_gguf.encode(squeezed(one), true), model.encode(squeezed(one), true));
  EXPECT_EQ(model.encode("a  b", false), model.encode("a b", false));
  EXPECT_NE(from_gguf.encode("a  b", false), from_gguf.encode("a b", false));
}

// Our own GGUF twins: the same ids as from the tokenizer.json they were made from.
class NanoTwin : public testing::TestWithParam<const char*> {};

TEST_P(NanoTwin, GgufAndTokenizerJsonAgree) {
  const std::string name = GetParam();
  const auto path = test::shared_data("models/gguf/" + name + ".F32.gguf");
  if (!path) GTEST_SKIP() << "models/gguf/" << name << ".F32.gguf is not here";
  const Tokenizer gguf = Tokenizer::for_model(*path);
  const Tokenizer json = Tokenizer::for_model(test::repo_path("models") / name);
  EXPECT_EQ(gguf.prefix(), json.prefix());
  EXPECT_EQ(gguf.suffix(), json.suffix());
  EXPECT_EQ(gguf.vocab_size(), json.vocab_size());
  EXPECT_NE(gguf.sha256(), json.sha256());
  for (std::int32_t id = 0; id < json.vocab_size(); ++id)
    EXPECT_EQ(gguf.token_bytes(id), json.token_bytes(id));
  for (const std::string& text : tales()) EXPECT_EQ(gguf.encode(text, true), json.encode(text, true));
  const std::string passage = read_file(test::repo_path("tests/golden") / name / "text.txt");
  const auto expected = std::get<Ids>(read_npy(test::repo_path("tests/golden") / name / "ids.npy").data);
  EXPECT_EQ(gguf.encode(passage, true), expected);
  EXPECT_EQ(gguf.encode("a<|endoftext|>b", false), json.encode("a<|endoftext|>b", false));
}

INSTANTIATE_TEST_SUITE_P(Models, NanoTwin, testing::Values("llama-nano", "qwen2-nano", "qwen3-nano"),
                         [](const auto& model) {
                           std::string name = model.param;
                           name.erase(name.find('-'), 1);
                           return name;
                         });

}  // namespace
}  // namespace strata
