// Categories, composition and cuts of every character, against the programs that the tokenizers were made
// for. The references are digests: tests/golden/tokenizers_unicode.txt of Hugging Face's tokenizers (made by
// engine_reference.py, which is run again where Python has tokenizers), gguf/pre_tokenizers.txt of llama.cpp.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/tokenizer/gguf_pre_tokenizers.h"
#include "strata/tokenizer/nfc.h"
#include "strata/tokenizer/split_pattern.h"
#include "strata/tokenizer/utf8.h"
#include "tests/support/paths.h"
#include "tests/tokenizer/tiny.h"

namespace strata {
namespace {

using Strings = std::vector<std::string>;

template <typename Visit>
void for_each_character(const Visit& visit) {
  for (char32_t c = 1; c < 0x110000; ++c)
    if (c < 0xd800 || c > 0xdfff) visit(c);
}

void add(Sha256& sha, char32_t c) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>((c >> shift) & 0xff);
  sha.update(bytes);
}

// Digest of the characters that the pattern matches: each behind U+0001, which what is not matched joins.
std::string matched(const std::string& pattern, UnicodeTables tables = UnicodeTables::tokenizers) {
  std::string text;
  for_each_character([&](char32_t c) { append_utf8(text += '\1', c); });
  Sha256 sha;
  SplitPattern("(?<=\1)" + pattern, "p", tables).split(text, [&](std::string_view word) {
    std::size_t at = 0;
    const char32_t c = next_code_point(word, at);
    if (c != 1) add(sha, c);
  });
  return sha.hex();
}

Strings golden_lines(const char* path) {
  std::istringstream file(read_file(test::repo_path(path)));
  Strings lines;
  for (std::string line; std::getline(file, line);)
    if (!line.starts_with('#')) lines.push_back(line);
  return lines;
}

std::string numeric_of_digits() {
  auto json = test::tiny_json();
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, json["pre_tokenizer"]}}};
  // "a" and the first byte of the character merge unless the character is a word of its own.
  Strings merges;
  for (int byte = 0x30; byte < 0x100; ++byte)
    merges.push_back("a " + test::spelled(std::string(1, static_cast<char>(byte))));
  const auto merged = test::tiny_json(merges);
  json["model"] = merged["model"];
  const Tokenizer tokenizer = Tokenizer::from_json(json.dump(), "t");
  Sha256 sha;
  for_each_character([&](char32_t c) {
    std::string text = "a";
    append_utf8(text, c);
    if (c >= 0x30 && tokenizer.encode(text, false).size() == text.size()) add(sha, c);
  });
  return sha.hex();
}

std::string composed(const char* before, const char* behind) {
  Sha256 sha;
  bool first = true;
  // Newlines keep the texts apart: nothing composes across one.
  for_each_character([&](char32_t c) {
    std::string text = first ? "" : "\n";
    append_utf8(text += before, c);
    sha.update(to_nfc(text + behind));
    first = false;
  });
  return sha.hex();
}

TEST(Unicode, EveryCharacterAsInHuggingFacesTokenizers) {
  for (const std::string& line : golden_lines("tests/golden/tokenizers_unicode.txt")) {
    SCOPED_TRACE(line);
    std::istringstream words(line);
    std::string kind, name, digest;
    words >> kind >> name >> digest;
    if (kind == "category") {
      EXPECT_EQ(matched("\\p{" + name + "}"), digest);
    }
    if (kind == "class") {
      EXPECT_EQ(matched("\\" + name), digest);
    }
    if (kind == "numeric") {
      EXPECT_EQ(numeric_of_digits(), digest);
    }
    if (name == "after") {
      EXPECT_EQ(composed("a\u0315", "\u0334"), digest);
    }
    if (name == "before") {
      EXPECT_EQ(composed("a", "\u0334\u0301"), digest);
    }
    if (name == "composed") {
      EXPECT_EQ(composed("", "\u0301\u11a8"), digest);
    }
    if (name == "alone") {
      EXPECT_EQ(composed("", ""), digest);
    }
  }
}

TEST(Unicode, TheDigestsAreThoseOfTheInstalledTokenizers) {
  const std::string script = test::repo_path("tests/tokenizer/engine_reference.py").string();
  const char* python = std::getenv("STRATA_TOKENIZERS_PYTHON");
  if (python == nullptr)
    GTEST_SKIP() << "STRATA_TOKENIZERS_PYTHON is not set: name a python3 that has tokenizers to compare with";
  const std::string command = std::string(python) + " '" + script + "'";
  std::FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string out;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out += static_cast<char>(c);
  EXPECT_EQ(pclose(pipe), 0);
  EXPECT_EQ(out, read_file(test::repo_path("tests/golden/tokenizers_unicode.txt")));
}

// The kinds of the issue: letters and digits of Unicode 15 and 16.
TEST(Unicode, LettersNewerThanPcre2sTables) {
  const auto words = [](std::string_view pattern, std::string_view text, UnicodeTables tables) {
    Strings result;
    SplitPattern(pattern, "p", tables).split(text, [&](std::string_view word) { result.emplace_back(word); });
    return result;
  };
  const std::string garay = "\U00010d50\U00010d51";      // letters of Unicode 16
  const std::string ideograph = "\U00031350\U0002ebf0";  // of 15 and 15.1
  EXPECT_EQ(words(R"(\p{L}+)", "a" + garay + "!", UnicodeTables::tokenizers), (Strings{"a" + garay, "!"}));
  EXPECT_EQ(words(R"(\p{L}+)", "a" + garay + "!", UnicodeTables::llama_cpp), (Strings{"a", garay + "!"}));
  for (const auto tables : {UnicodeTables::tokenizers, UnicodeTables::llama_cpp})
    EXPECT_EQ(words(R"(\p{L}+)", "a" + ideograph + "!", tables), (Strings{"a" + ideograph, "!"}));
  // A range that a pattern spells out still holds the character itself, not its stand-in.
  EXPECT_EQ(words("[\U00010d50-\U00010d65]+", "a" + garay + "A", UnicodeTables::tokenizers),
            (Strings{"a", garay, "A"}));
}

std::vector<SplitPattern> patterns_of(std::string_view name) {
  const GgufPreTokenizer* pre = find_gguf_pre_tokenizer(name);
  STRATA_CHECK(pre != nullptr);
  std::vector<SplitPattern> patterns;
  for (const std::string_view pattern : pre->patterns)
    if (!pattern.empty()) patterns.emplace_back(pattern, "p", UnicodeTables::llama_cpp);
  return patterns;
}

Strings cut(const std::vector<SplitPattern>& patterns, std::string_view text) {
  Strings pieces = {std::string(text)};
  for (const SplitPattern& pattern : patterns) {
    Strings next;
    for (const std::string& piece : pieces)
      pattern.split(piece, [&](std::string_view word) { next.emplace_back(word); });
    pieces = std::move(next);
  }
  return pieces;
}

// The text of each 256 characters that the reference cut.
std::string around(char32_t first) {
  std::string text;
  for (char32_t c = first; c < first + 256; ++c) {
    if (c == 0 || (c >= 0xd800 && c <= 0xdfff)) continue;
    std::string u;
    append_utf8(u, c);
    text += u + "a " + u + "1" + u + u + "'s B" + u + "\n ";
  }
  return text;
}

// The block of 256 whose characters are all of the same kind as those of this one: no character is assigned
// in planes 4 to 13, nor behind the ideographs of plane 3 and the tags of plane 14; planes 15 and 16 are for
// private use but for their last two. With STRATA_UNICODE=all every block stands for itself.
char32_t stands_for(char32_t first) {
  static const bool all = [] {
    const char* wish = std::getenv("STRATA_UNICODE");
    return wish != nullptr && std::string_view(wish) == "all";
  }();
  const auto within = [&](char32_t begin, char32_t end) { return first >= begin && first < end; };
  if (all) return first;
  if (within(0x32400, 0xe0000) || within(0xe1000, 0xf0000)) return 0x32400;
  if (within(0xf0000, 0xfff00) || within(0x100000, 0x10ff00)) return 0xf0000;
  return first;
}

std::string digest_of_cuts(const std::vector<SplitPattern>& patterns) {
  Sha256 sha;
  std::map<char32_t, std::string> seen;
  for (char32_t first = 0; first < 0x110000; first += 256) {
    const auto [at, is_new] = seen.try_emplace(stands_for(first));
    if (is_new) {
      const std::string text = around(at->first);
      if (!text.empty())
        for (const std::string& word : cut(patterns, text)) at->second += std::to_string(word.size()) + " ";
      at->second += "\n";
    }
    sha.update(at->second);
  }
  return sha.hex();
}

TEST(GgufPreTokenizers, EveryCharacterIsCutAsInLlamaCpp) {
  std::map<std::vector<std::string>, std::string> digests;  // by patterns: several names have the same
  for (const std::string& line : golden_lines("tests/golden/gguf/pre_tokenizers.txt")) {
    SCOPED_TRACE(line);
    std::istringstream words(line);
    std::string name, digest;
    words >> name >> digest;
    const GgufPreTokenizer* pre = find_gguf_pre_tokenizer(name);
    ASSERT_NE(pre, nullptr);
    const auto [known, is_new] =
        digests.try_emplace(std::vector<std::string>(pre->patterns.begin(), pre->patterns.end()));
    if (is_new) known->second = digest_of_cuts(patterns_of(name));
    EXPECT_EQ(known->second, digest);
  }
}

// Words of llama.cpp's unicode_regex_split (llama-cpp-python 0.3.36).
TEST(GgufPreTokenizers, TextsAreCutAsInLlamaCpp) {
  struct Row {
    const char* name;
    const char* text;
    Strings words;
  };
  const char* cases = "HelloWorld camelCase \u00e9\u00c9a it's We'LL";
  const char* digits = "a1234 12\u0663\u0664 x/y//\\ end./  foo";
  const char* scripts = "\u00dcn\u00ef \u092e\u0930\u093e \u65e5\u672c\u3000\u5168\u3001\u3002\uff01";
  const Row rows[] = {
      {"tekken", cases, {"Hello", "World", " camel", "Case", " \u00e9\u00c9a", " it", "'s", " We", "'LL"}},
      {"gpt-4o", cases, {"Hello", "World", " camel", "Case", " \u00e9\u00c9a", " it's", " We'LL"}},
      {"qwen35", cases, {"HelloWorld", " camelCase", " \u00e9\u00c9a", " it", "'s", " We", "'LL"}},
      {"deepseek-llm",
       cases,
       {"HelloWorld", " camelCase", " \u00e9\u00c9", "a", " it", "'", "s", " We", "'", "LL"}},
      {"deepseek-coder",
       cases,
       {"HelloWorld", " camelCase", " \u00e9\u00c9a", " it", "'", "s", " We", "'", "LL"}},
      {"tekken",
       digits,
       {"a", "1", "2", "3", "4", " ", "1", "2", "\u0663", "\u0664", " x", "/y", "//\\", " end", "./", " ",
        " foo"}},
      {"gpt-4o",
       digits,
       {"a", "123", "4", " ", "12\u0663", "\u0664", " x", "/y", "//\\", " end", "./", " ", " foo"}},
      {"deepseek-llm",
       digits,
       {"a", "1234", " ", "12\u0663\u0664", " x", "/", "y", "//\\", " end", "./", " ", " foo"}},
      {"deepseek-coder",
       digits,
       {"a", "1", "2", "3", "4", " ", "1", "2", "\u0663", "\u0664", " x", "/", "y", "//\\", " end", "./", " ",
        " foo"}},
      {"qwen35",
       scripts,
       {"\u00dcn\u00ef", " \u092e\u0930\u093e", " \u65e5\u672c", "\u3000\u5168", "\u3001\u3002\uff01"}},
      {"qwen2",
       scripts,
       {"\u00dcn\u00ef", " \u092e\u0930", "\u093e", " \u65e5\u672c", "\u3000\u5168", "\u3001\u3002\uff01"}},
      {"deepseek-llm",
       scripts,
       {"\u00dc", "n", "\u00ef", " ", "\u092e\u0930\u093e", " ", "\u65e5\u672c", "\u3000", "\u5168",
        "\u3001\u3002", "\uff01"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.name) + ": " + row.text);
    EXPECT_EQ(cut(patterns_of(row.name), row.text), row.words);
  }
}

TEST(GgufPreTokenizers, UnknownNamesAreNone) {
  EXPECT_EQ(find_gguf_pre_tokenizer("chameleon"), nullptr);
  EXPECT_EQ(find_gguf_pre_tokenizer(""), nullptr);
  EXPECT_NE(gguf_pre_tokenizer_names().find("\"tekken\""), std::string::npos);
}

}  // namespace
}  // namespace strata
