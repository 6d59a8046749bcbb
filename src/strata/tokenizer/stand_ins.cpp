#include "strata/tokenizer/stand_ins.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "strata/base/error.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

struct CategoryChange {
  char32_t first, last;
  char32_t below, above;  // stand-ins; 0 = none
};

struct CodePointRange {
  char32_t first, last;
};

#include "strata/tokenizer/unicode_tables.inc"

constexpr char32_t kPage = 256;
// The smallest character of the tables is U+0897: shorter sequences need no look.
constexpr unsigned char kFirstLead = 0xe0;
static_assert(kSince14In16[0].first >= 0x800 && kSince14In15_1[0].first >= 0x800);

std::span<const CategoryChange> changes(UnicodeTables tables) {
  if (tables == UnicodeTables::llama_cpp) return kSince14In15_1;
  return kSince14In16;
}

// The characters beyond ASCII that a pattern spells out, "a-b" as a range.
std::vector<CodePointRange> literals_of(std::string_view pattern) {
  std::vector<CodePointRange> literals;
  for (std::size_t at = 0; at < pattern.size();) {
    const char32_t first = next_code_point(pattern, at);
    if (first < 0x80) continue;
    char32_t last = first;
    if (at + 1 < pattern.size() && pattern[at] == '-' && static_cast<unsigned char>(pattern[at + 1]) >= 0x80)
      last = next_code_point(pattern, ++at);
    literals.push_back({first, last});
  }
  return literals;
}

// Whether every range holds all of `change` and `stand_in`, or none of them.
bool fits(const std::vector<CodePointRange>& literals, const CategoryChange& change, char32_t stand_in) {
  return stand_in != 0 && std::all_of(literals.begin(), literals.end(), [&](const CodePointRange& range) {
           const auto holds = [&](char32_t c) { return c >= range.first && c <= range.last; };
           const bool apart = change.last < range.first || change.first > range.last;
           return holds(stand_in) ? holds(change.first) && holds(change.last) : apart;
         });
}

}  // namespace

StandIns::StandIns(UnicodeTables tables, std::string_view pattern) : pages_(0x110000 / kPage) {
  const auto names = [&](std::string_view escape) { return pattern.find(escape) != std::string_view::npos; };
  if (!names("\\p") && !names("\\P") && !names("\\d")) return;  // no category matters
  const std::vector<CodePointRange> literals = literals_of(pattern);
  for (const CategoryChange& change : changes(tables)) {
    char32_t stand_in = 0;
    for (const char32_t candidate : {change.below, change.above})
      if (stand_in == 0 && fits(literals, change, candidate)) stand_in = candidate;
    ranges_.push_back({change.first, change.last, stand_in});
    for (char32_t page = change.first / kPage; page <= change.last / kPage; ++page) pages_[page] = true;
  }
}

const StandIns::Range* StandIns::find(char32_t c) const {
  if (!pages_[c / kPage]) return nullptr;
  const auto behind =
      std::upper_bound(ranges_.begin(), ranges_.end(), c,
                       [](char32_t value, const Range& range) { return value < range.first; });
  if (behind == ranges_.begin()) return nullptr;
  const Range& range = *std::prev(behind);
  return c <= range.last ? &range : nullptr;
}

std::optional<std::string> StandIns::replace(std::string_view text, const std::string& where) const {
  std::optional<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < kFirstLead) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    const char32_t c = next_code_point(text, at);
    const Range* range = find(c);
    if (range == nullptr) continue;
    if (range->stand_in == 0) {
      throw Error(ErrorKind::unsupported,
                  {.where = where,
                   .found = fmt::format("the pattern names characters around U+{:04X}, which is newer than "
                                        "the Unicode version of PCRE2",
                                        static_cast<std::uint32_t>(c)),
                   .expected = "a text without it"});
    }
    if (!out) out.emplace(text);
    std::string replacement;
    append_utf8(replacement, range->stand_in);
    STRATA_CHECK(replacement.size() == at - begin);
    out->replace(begin, replacement.size(), replacement);
  }
  return out;
}

bool composes_since_unicode_9(char32_t c) {
  const auto behind =
      std::upper_bound(std::begin(kComposingSince9), std::end(kComposingSince9), c,
                       [](char32_t value, const CodePointRange& range) { return value < range.first; });
  return behind != std::begin(kComposingSince9) && c <= std::prev(behind)->last;
}

}  // namespace strata
