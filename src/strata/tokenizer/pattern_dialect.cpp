// Which regular expressions mean the same to Oniguruma and to PCRE2, and their translation.
#include <fmt/format.h>

#include <array>
#include <string>

#include "strata/base/error.h"
#include "strata/tokenizer/split_pattern.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

// Unicode's White_Space, as the inside of a character class.
constexpr std::string_view kWhiteSpace =
    R"(\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::array<std::string_view, 7> kGroups = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
// General categories, spelled the same by both engines (Unicode, table 4-4).
constexpr std::string_view kCategories =
    " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp ";
// Letter pairs that a single character folds to (CaseFolding.txt, status F): Oniguruma matches that
// character, PCRE2 does not.
constexpr std::array<std::string_view, 5> kFoldingPairs = {"ss", "ff", "fi", "fl", "st"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  std::string run() {
    while (at_ < pattern_.size()) element();
    return out_;
  }

 private:
  [[noreturn]] void refuse(std::string_view construct, std::size_t at) const {
    throw Error(ErrorKind::unsupported,
                {.where = where_,
                 .found = fmt::format("regular expression uses {} at byte {}", in_quotes(construct), at),
                 .expected = "only constructs that Oniguruma and PCRE2 read alike"});
  }
  [[nodiscard]] bool ahead(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  void copy(std::size_t count) {
    out_ += pattern_.substr(at_, count);
    at_ += count;
  }

  void element() {
    switch (pattern_[at_]) {
      case '(':
        return group();
      case '[':
        return character_class();
      case '\\':
        return escape(false);
      case '{':
        return counted();
      case '$':  // the end of a line or of the text
        out_ += R"((?=\n|\z))";
        ++at_;
        return;
      case '^':
      case '.':
      case '}':
      case ']':
        refuse(pattern_.substr(at_, 1), at_);
      default:
        return copy(1);
    }
  }

  void group() {
    if (ahead("(?i:")) return case_insensitive_group();
    for (const std::string_view opening : kGroups)
      if (ahead(opening)) return copy(opening.size());
    if (ahead("(?") || ahead("(*")) refuse(pattern_.substr(at_, 3), at_);
    copy(1);
  }

  // Folding is the same for ASCII letters, one by one; anything richer is refused.
  void case_insensitive_group() {
    const std::size_t begin = at_;
    copy(4);
    for (; at_ < pattern_.size() && pattern_[at_] != ')'; copy(1)) {
      const char c = pattern_[at_];
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter && c != '\'' && c != '|') refuse(pattern_.substr(begin, at_ + 1 - begin), begin);
      std::string pair(pattern_.substr(at_, 2));
      for (char& p : pair) p = static_cast<char>(p | 0x20);
      for (const std::string_view folding : kFoldingPairs)
        if (pair == folding) refuse(pattern_.substr(begin, at_ + 2 - begin), begin);
    }
  }

  // {n}, {n,} and {n,m} alone: {,m} and a second quantifier behind a count differ.
  void counted() {
    const std::size_t end = pattern_.find('}', at_);
    const std::string_view body =
        end == std::string_view::npos ? pattern_.substr(at_) : pattern_.substr(at_, end + 1 - at_);
    bool good = body.size() >= 3 && is_digit(body[1]) && body.back() == '}';
    int commas = 0;
    for (const char c : body.substr(1, body.size() - 2)) {
      commas += c == ',';
      good = good && (is_digit(c) || c == ',');
    }
    if (!good || commas > 1) refuse(body, at_);
    const std::size_t begin = at_;
    copy(body.size());
    if (at_ < pattern_.size() && (pattern_[at_] == '+' || pattern_[at_] == '?' || pattern_[at_] == '*'))
      refuse(pattern_.substr(begin, at_ + 1 - begin), begin);
  }

  void character_class() {
    const std::size_t begin = at_;
    copy(1);
    if (ahead("^")) copy(1);
    for (bool first = true; at_ < pattern_.size(); first = false) {
      if (pattern_[at_] == ']' && !first) return copy(1);
      // Nested sets, POSIX names and intersections are Oniguruma's own; a leading ] is read differently.
      if (pattern_[at_] == '[' || pattern_[at_] == ']' || ahead("&&"))
        refuse(pattern_.substr(begin, at_ + 1 - begin), begin);
      pattern_[at_] == '\\' ? escape(true) : copy(1);
    }
  }

  void escape(bool in_class) {
    const char c = at_ + 1 < pattern_.size() ? pattern_[at_ + 1] : '\0';
    if (c == 'p' || c == 'P') return property();
    if (c == 's' || (c == 'S' && !in_class)) {
      out_ += in_class ? std::string(kWhiteSpace) : fmt::format("[{}{}]", c == 'S' ? "^" : "", kWhiteSpace);
      at_ += 2;
      return;
    }
    const bool control = c == 'r' || c == 'n' || c == 't' || c == 'd';
    const bool punctuation =
        c > 0x20 && c < 0x7f && !is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (!control && !punctuation) refuse(pattern_.substr(at_, 2), at_);
    copy(2);
  }

  void property() {
    const std::size_t end = pattern_.find('}', at_);
    const std::string_view all =
        end == std::string_view::npos ? pattern_.substr(at_, 3) : pattern_.substr(at_, end + 1 - at_);
    if (all.size() < 4 || all[2] != '{') refuse(all, at_);
    const std::string_view name = all.substr(3, all.size() - 4);
    if (name.empty() || name.find(' ') != std::string_view::npos ||
        kCategories.find(fmt::format(" {} ", name)) == std::string_view::npos)
      refuse(all, at_);
    copy(all.size());
  }

  std::string_view pattern_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string to_pcre2(std::string_view pattern, const std::string& where) {
  return Translator(pattern, where).run();
}

}  // namespace strata
