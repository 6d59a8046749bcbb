// What a user may give as a text, run as a user runs it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "strata/base/npy.h"
#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

class Texts : public testing::Test {
 protected:
  void SetUp() override {
    tale_ = slurp(repo_path("texts/tales/01.txt")).substr(0, 1500);
    write_model(path("model"), tiny_with_tokenizer());
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return directory_.path() / name; }
  fs::path put(const std::string& name, const std::string& content) const {
    write_text(path(name), content);
    return path(name);
  }
  // A few signals of the clean sweep; the record and the messages.
  Result analyze(const std::string& output, const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"--clean-only", "--signals", "block_influence,cka_matrix",
                                          "--chunks", "999"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return strata(quick_analyze(path("model"), path(output), arguments));
  }
  [[nodiscard]] std::string states(const std::string& output) const {
    return slurp(path(output) / "states.csv");
  }
  [[nodiscard]] nlohmann::json record(const std::string& output) const {
    return nlohmann::json::parse(slurp(path(output) / "results.json"));
  }
  static bool says(const Result& result, const std::string& words) {
    return result.err.find(words) != std::string::npos;
  }
  static std::string lines(const std::vector<std::string>& texts, const char* key = "text") {
    std::string out;
    for (const std::string& text : texts) out += nlohmann::json{{key, text}}.dump() + "\n";
    return out;
  }
  // Sentences of some words each.
  [[nodiscard]] std::vector<std::string> sentences(std::size_t count) const {
    std::vector<std::string> out;
    const std::string tales = slurp(repo_path("texts/tales/02.txt"));
    for (std::size_t i = 0; i < count; ++i) out.push_back(tales.substr(i * 60, 40 + i % 7 * 10));
    return out;
  }
  TemporaryDirectory directory_;
  std::string tale_;
};

TEST_F(Texts, JsonIsToldByItsContentWhateverItsName) {
  const std::string content = lines({tale_, tale_ + "x"});
  ASSERT_EQ(analyze("jsonl", {"-f", put("lines.jsonl", content)}).code, 0);
  for (const char* name : {"lines.json", "lines.ndjson", "lines.JSONL", "lines"}) {
    ASSERT_EQ(analyze(name + std::string("-run"), {"-f", put(name, content)}).code, 0) << name;
    EXPECT_EQ(states(name + std::string("-run")), states("jsonl")) << name;
  }
  ASSERT_EQ(
      analyze("list", {"-f", put("list.json", nlohmann::json::array({tale_, tale_ + "x"}).dump())}).code, 0);
  EXPECT_EQ(states("list"), states("jsonl"));
}

TEST_F(Texts, AFieldOfAnotherNameEndsWithAHintAndIsReadByTextKey) {
  const auto file = put("content.jsonl", lines({tale_}, "content"));
  const Result refused = analyze("a", {"-f", file});
  EXPECT_EQ(refused.code, 3);
  EXPECT_TRUE(says(refused, "--text-key content")) << refused.err;
  EXPECT_EQ(analyze("b", {"-f", file, "--text-key", "content"}).code, 0);
  EXPECT_EQ(analyze("c", {"-f", put("nan.jsonl", "{\"x\": NaN, " + lines({tale_}).substr(1))}).code, 0);
  EXPECT_EQ(analyze("d", {"-f", put("prose.txt", tale_), "--text-key", "content"}).code, 2);
}

TEST_F(Texts, OtherEncodingsAndFormatsEndWithAWayOn) {
  std::string wide = "\xff\xfe";
  for (const char c : tale_) wide += {c, '\0'};
  const Result utf16 = analyze("a", {"-f", put("utf16.txt", wide)});
  EXPECT_EQ(utf16.code, 3);
  EXPECT_TRUE(says(utf16, "iconv -f UTF-16LE")) << utf16.err;
  const Result unmarked = analyze("b", {"-f", put("unmarked.txt", wide.substr(2))});
  EXPECT_EQ(unmarked.code, 3);
  EXPECT_TRUE(says(unmarked, "iconv")) << unmarked.err;
  const Result pdf = analyze("c", {"-f", put("a.pdf", "%PDF-1.7\n" + tale_)});
  EXPECT_EQ(pdf.code, 3);
  EXPECT_TRUE(says(pdf, "pdftotext")) << pdf.err;
}

TEST_F(Texts, FoldersInsideAFolderAreNamedOrRead) {
  put("folder/a.txt", tale_);
  put("folder/sub/a.txt", tale_ + "x");
  const Result one = analyze("a", {"-f", path("folder")});
  ASSERT_EQ(one.code, 0);
  EXPECT_TRUE(says(one, "a folder inside was not read; -r reads it")) << one.err;
  ASSERT_EQ(analyze("b", {"-f", path("folder"), "-r"}).code, 0);
  EXPECT_EQ(record("a")["documents"].size(), 1u);
  EXPECT_EQ(record("b")["documents"].size(), 2u);
  put("only/sub/a.txt", tale_);
  const Result none = analyze("c", {"-f", path("only")});
  EXPECT_EQ(none.code, 3);
  EXPECT_TRUE(says(none, "-r reads the folders inside")) << none.err;
  put("folder/LICENSE", tale_ + "y");
  const Result licence = analyze("d", {"-f", path("folder"), "--quiet"});
  ASSERT_EQ(licence.code, 0);
  EXPECT_TRUE(says(licence, "warning: measured as documents")) << licence.err;
  EXPECT_NE(record("d")["warnings"].dump().find("LICENSE"), std::string::npos);
}

TEST_F(Texts, StandardInputAndSeveralFiles) {
  const auto a = put("a.txt", tale_), b = put("b.txt", tale_ + "x");
  ASSERT_EQ(analyze("two", {"-f", a, "-f", b}).code, 0);
  EXPECT_EQ(record("two")["documents"].size(), 2u);
  ASSERT_EQ(analyze("file", {"-f", a}).code, 0);
  for (const char* name : {"-", "/dev/stdin"}) {
    std::string command = STRATA_PROGRAM;
    for (const std::string& argument : quick_analyze(
             path("model"), path("stdin"),
             {"--clean-only", "--signals", "block_influence,cka_matrix", "--chunks", "999", "-f", name}))
      command += " " + argument;
    ASSERT_EQ(std::system((command + " 2>/dev/null < " + a.string()).c_str()), 0) << name;
    EXPECT_EQ(states("stdin"), states("file"));
    EXPECT_EQ(record("stdin")["run"]["corpus_name"], "stdin");
  }
}

TEST_F(Texts, IdsInEveryFormAreTheSameText) {
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 200; ++i) ids.push_back(i * 7 % 4000);
  const auto rows = put("rows.npy", format_npy({{2, 100}, ids}));
  std::string json, raw;
  for (int row = 0; row < 2; ++row)
    json += nlohmann::json{{"input_ids", std::vector<std::int32_t>(ids.begin() + row * 100,
                                                                   ids.begin() + (row + 1) * 100)}}
                .dump() +
            "\n";
  ASSERT_EQ(analyze("npy", {"-f", rows}).code, 0);
  EXPECT_EQ(record("npy")["documents"].size(), 2u);
  ASSERT_EQ(analyze("json", {"-f", put("ids.jsonl", json)}).code, 0);
  EXPECT_EQ(states("json"), states("npy"));
  for (const std::int32_t id : ids) raw += {static_cast<char>(id & 0xff), static_cast<char>(id >> 8)};
  for (int row = 0; row < 2; ++row)
    put(fmt::format("bin/{}.bin", row), raw.substr(static_cast<std::size_t>(row) * 200, 200));
  ASSERT_EQ(analyze("raw", {"-f", path("bin"), "--ids-dtype", "uint16"}).code, 0);
  EXPECT_EQ(states("raw"), states("npy"));
  const Result untyped = analyze("none", {"-f", path("bin")});
  EXPECT_EQ(untyped.code, 3);
  EXPECT_TRUE(says(untyped, "--ids-dtype")) << untyped.err;
  // Ids need no tokenizer.
  fs::remove(path("model") / "tokenizer.json");
  EXPECT_EQ(analyze("without", {"-f", rows}).code, 0);
}

TEST_F(Texts, ShortDocumentsAreMeasuredAndTheMessageNamesPack) {
  const Result result = analyze("a", {"-f", put("short.jsonl", lines(sentences(25)))});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(says(result, "--pack joins short documents")) << result.err;
  EXPECT_EQ(record("a")["documents"].size(), 25u);
  const Result mixed = analyze("b", {"-f", put("mixed.jsonl", lines({tale_, "Two words."}))});
  ASSERT_EQ(mixed.code, 0);
  EXPECT_TRUE(says(mixed, "left out, shorter than 64 tokens")) << mixed.err;
  EXPECT_TRUE(says(mixed, "--pack")) << mixed.err;
}

TEST_F(Texts, PackedRunsSayWhatADocumentIsAndAreReproducible) {
  const auto file = put("short.jsonl", lines(sentences(60)));
  const auto run = [&](const std::string& output, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"-f", file, "-c", "128", "--chunks", "999"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = strata(quick_analyze(path("model"), path(output), arguments));
    ASSERT_EQ(result.code, 0) << result.err;
  };
  run("bare", {"--pack"});
  run("separate", {"--pack", "separate", "-t", "2", "-b", "3"});
  run("joined", {"--pack=concatenated"});
  for (const char* name : {"results.json", "states.csv", "brittleness.csv"})
    EXPECT_EQ(slurp(path("bare") / name), slurp(path("separate") / name)) << name;
  const nlohmann::json separate = record("separate"), joined = record("joined");
  EXPECT_NE(separate["run"]["bos_policy"].get<std::string>().find("packed, separate"), std::string::npos);
  EXPECT_NE(joined["run"]["bos_policy"].get<std::string>().find("packed, concatenated"), std::string::npos);
  int windows = 0;
  for (const nlohmann::json& document : separate["documents"]) {
    windows += document["windows"].get<int>();
    EXPECT_LE(document["tokens"].get<int>(), 128);
    if (document["windows"].get<int>() > 1) {
      EXPECT_NE(document["name"].get<std::string>().find(" documents, short.jsonl:"), std::string::npos);
    }
    // Lanes take as much of a group as of a long document.
    if (document["lane_tokens"].get<int>() > 0 && document["tokens"].get<int>() >= 64) {
      EXPECT_GE(document["lane_tokens"].get<int>(), 60);
    }
  }
  EXPECT_GE(windows, 55);  // a last pack that is not half full is left out, with a note
  for (const nlohmann::json& document : joined["documents"]) EXPECT_EQ(document["windows"], 1);
  EXPECT_LT(joined["documents"].size(), 40u);
  EXPECT_NE(states("joined"), states("separate"));
}

// Attention inside a document only: in a pack a document has the states that it has alone.
TEST_F(Texts, SeparateDocumentsHaveTheStatesThatTheyHaveAlone) {
  const std::vector<std::string> texts = sentences(5);
  const auto dump = [&](const std::string& output, const fs::path& file) {
    const Result result =
        strata({"dump", path("model"), "-f", file, "-o", path(output), "--pack", "--layers", "3"});
    ASSERT_EQ(result.code, 0) << result.err;
  };
  const auto last = [&](const std::string& output) {
    return std::get<std::vector<float>>(read_npy(path(output) / "state-003.npy").data);
  };
  dump("all", put("all.jsonl", lines(texts)));
  std::vector<float> one_by_one;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string name = fmt::format("one{}", i);
    dump(name, put(name + ".txt", texts[i]));
    const auto values = last(name);
    one_by_one.insert(one_by_one.end(), values.begin(), values.end());
  }
  EXPECT_EQ(last("all"), one_by_one);
  EXPECT_EQ(nlohmann::json::parse(slurp(path("all") / "index.json"))["documents"].size(),
            5u);  // each keeps its row
}

TEST_F(Texts, AFewTokensAreEnoughForDumpAndAnalyze) {
  for (const char* text : {"Hi", "A short prompt of some words."}) {
    const auto file = put("prompt.txt", text);
    const Result dumped =
        strata({"dump", path("model"), "-f", file, "-o", path("dump-" + std::string(text, 2))});
    EXPECT_EQ(dumped.code, 0) << dumped.err;
    EXPECT_TRUE(says(dumped, "note: the text has only")) << dumped.err;
    const Result measured =
        strata(quick_analyze(path("model"), path("run-" + std::string(text, 2)), {"-f", file}));
    EXPECT_EQ(measured.code, 0) << text << measured.err;
  }
  EXPECT_EQ(analyze("none", {"-f", put("empty.txt", "")}).code, 3);
}

TEST_F(Texts, ContextsBeyondTheModelsAndBelow64AreAWarningAtMost) {
  const auto file = put("a.txt", slurp(repo_path("texts/tales/01.txt")));
  const Result beyond = analyze("a", {"-f", file, "-c", "200"});  // the tiny model says 128
  ASSERT_EQ(beyond.code, 0) << beyond.err;
  EXPECT_TRUE(says(beyond, "72 more than the model's context of 128")) << beyond.err;
  EXPECT_EQ(analyze("b", {"-f", file, "-c", "32"}).code, 0);
  EXPECT_EQ(analyze("c", {"-f", file, "-c", "1"}).code, 2);
}

TEST_F(Texts, ATextBeyondTheMemoryLimitEndsBeforeItIsRead) {
  std::ofstream(path("big.txt")).close();
  fs::resize_file(path("big.txt"), std::uintmax_t{1} << 33);  // a hole
  const Result result = analyze("a", {"-f", path("big.txt"), "--mem-limit", "256M", "--text-format", "text"});
  EXPECT_EQ(result.code, 4) << result.err;
  EXPECT_TRUE(says(result, "--mem-limit")) << result.err;
}

}  // namespace
}  // namespace strata::test
