// The splitting patterns: what the published ones do on the corners, and what is refused.
#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "strata/tokenizer/split_pattern.h"
#include "strata/tokenizer/utf8.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

using Strings = std::vector<std::string>;

// Llama 3 and Qwen2 differ in the number of digits alone.
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Strings words(std::string_view pattern, std::string_view text) {
  Strings result;
  SplitPattern(pattern, "p").split(text, [&](std::string_view word) { result.emplace_back(word); });
  return result;
}

TEST(Pattern, PublishedOnesOnOrdinaryText) {
  EXPECT_EQ(words(kLlama3, "It's 12345!\n\n  Yes"),
            (Strings{"It", "'s", " ", "123", "45", "!\n\n", " ", " Yes"}));
  EXPECT_EQ(words(kQwen2, "It'S 123\r\n"), (Strings{"It", "'S", " ", "1", "2", "3", "\r\n"}));
  EXPECT_EQ(words(kGpt2Pattern, "It's 12345!\n\n  Yes"),
            (Strings{"It", "'s", " 12345", "!", "\n\n ", " Yes"}));
  EXPECT_EQ(words(kGpt2Pattern, "IT'S"), (Strings{"IT", "'", "S"}));
  EXPECT_EQ(words(kLlama3, "a   "), (Strings{"a", "   "}));
  EXPECT_EQ(words(kLlama3, ""), (Strings{}));
}

// Oniguruma's \s is Unicode's White_Space: U+0085 is in it, U+200B and U+180E are not.
TEST(Pattern, WhiteSpaceIsUnicodes) {
  for (const char* space : {"\t", "\v", "\f", "\u0085", "\u00a0", "\u1680", "\u2000", "\u200a", "\u2028",
                            "\u2029", "\u202f", "\u205f", "\u3000"})
    EXPECT_EQ(words(R"(\s+)", std::string("a") + space + "b").size(), 3u) << in_quotes(space);
  for (const char* other : {"\u180e", "\u200b", "\u2060", "\ufeff", "\u001c"})
    EXPECT_EQ(words(R"(\s+)", std::string("a") + other + "b").size(), 1u) << in_quotes(other);
  EXPECT_EQ(words(R"(\S+)", "a\u180e\u0085"), (Strings{"a\u180e", "\u0085"}));
  EXPECT_EQ(words(R"([^\s]+)", "a\u180e\u0085"), (Strings{"a\u180e", "\u0085"}));
}

TEST(Pattern, IgnoringCaseFoldsLongS) {
  EXPECT_EQ(words(kLlama3, "it'\u017f a"), (Strings{"it", "'\u017f", " a"}));
  EXPECT_EQ(words(kLlama3, "it'LL"), (Strings{"it", "'LL"}));
  EXPECT_EQ(words(kLlama3, "it'x"), (Strings{"it", "'x"}));
}

TEST(Pattern, CategoriesBeyondAscii) {
  EXPECT_EQ(words(kQwen2, "\u4e00\u4e8c\u0661\u00bd"), (Strings{"\u4e00\u4e8c", "\u0661", "\u00bd"}));
  EXPECT_EQ(words(kQwen2, "e\u0301a"), (Strings{"e", "\u0301a"}));  // a mark is no letter
  EXPECT_EQ(words(kQwen2, "\U0001f999!\U0001f999"), (Strings{"\U0001f999!\U0001f999"}));
}

TEST(Pattern, MatchesOfNothingSplitOnce) {
  EXPECT_EQ(words("b*", "abba"), (Strings{"a", "bb", "a"}));
  EXPECT_EQ(words("(?=b)", "abab"), (Strings{"a", "ba", "b"}));
  EXPECT_EQ(words("(?=\u00e9)", "\u00e9\u00e9"), (Strings{"\u00e9", "\u00e9"}));
}

TEST(Pattern, LongRunsNeitherFailNorTakeForever) {
  const std::size_t n = 1'000'000;
  for (const std::string_view pattern : {kLlama3, kQwen2, kGpt2Pattern}) {
    EXPECT_EQ(words(pattern, std::string(n, 'a')).size(), 1u);
    EXPECT_EQ(words(pattern, std::string(n, '!')).size(), 1u);
    EXPECT_EQ(words(pattern, std::string(n, ' ') + "x"), (Strings{std::string(n - 1, ' '), " x"}));
    EXPECT_EQ(words(pattern, std::string(n, '\n')).size(), 1u);
  }
}

TEST(Pattern, ConstructsThatTheEnginesReadDifferentlyAreNamed) {
  const auto refuse = [](const char* pattern, const char* named) {
    EXPECT_STRATA_ERROR(SplitPattern(pattern, "t.json: key"), ErrorKind::unsupported, named);
    EXPECT_STRATA_ERROR(SplitPattern(pattern, "t.json: key"), ErrorKind::unsupported, "t.json: key");
  };
  refuse("^a", "\"^\" at byte 0");
  refuse("a.b", "\".\"");
  refuse(R"(\w+)", R"(\\w)");
  refuse(R"(\bx)", R"(\\b)");
  refuse(R"(\h)", R"(\\h)");
  refuse(R"([\S])", R"(\\S)");
  refuse(R"(\K)", R"(\\K)");
  refuse("a\\", "\\");
  refuse("(?m:a)", "(?m");
  refuse("(?i)a", "(?i");
  refuse("(?<n>a)", "(?<");
  refuse("(*FAIL)", "(*F");
  refuse("(?i:'s|st)", "st");
  refuse("(?i:[a-z])", "[");
  refuse("[a[b]]", "[a[");
  refuse("[[:alpha:]]", "[[");
  refuse("[a&&b]", "&");
  refuse("[]a]", "[]");
  refuse("a{,3}", "{,3}");
  refuse("a{1,2,3}", "{1,2,3}");
  refuse("a{2}+", "{2}+");
  refuse("a{", "{");
  refuse("a}", "}");
  refuse(R"(\p{Han})", "Han");
  refuse(R"(\pL)", R"(\\pL)");
  refuse(R"(\p{L)", R"(\\p{)");
}

// As tokenizers 0.23.3 cuts: "$" is the end of a line or of the text.
TEST(Pattern, DollarEndsLines) {
  EXPECT_EQ(words(R"(\s+$)", "a  "), (Strings{"a", "  "}));
  EXPECT_EQ(words(R"(\s+$)", "a \n"), (Strings{"a", " \n"}));
  EXPECT_EQ(words(R"(\s+$)", "a \nb  "), (Strings{"a", " ", "\nb", "  "}));
  EXPECT_EQ(words(R"(\s+$)", "a\n b\r\n "), (Strings{"a\n b", "\r\n "}));
}

TEST(Pattern, BrokenOnesAreBadFiles) {
  for (const char* pattern : {"(a", "a)", "[a", "*a", "a{3,2}"})
    EXPECT_STRATA_ERROR(SplitPattern(pattern, "t.json: key"), ErrorKind::bad_file, "t.json: key");
}

TEST(Pattern, AcceptedOnesKeepTheirText) {
  EXPECT_EQ(to_pcre2(R"(a\.[^\]\r]\p{Lu}{1,3}x?+y++z*+|(?:q)(?=r)(?!s)(?<=t)(?<!u)(?>v))", "p"),
            R"(a\.[^\]\r]\p{Lu}{1,3}x?+y++z*+|(?:q)(?=r)(?!s)(?<=t)(?<!u)(?>v))");
  EXPECT_NE(to_pcre2(R"(\s)", "p"), R"(\s)");
}

}  // namespace
}  // namespace strata
