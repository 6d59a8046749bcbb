#include "strata/corpus/corpus_words.h"

#include <fmt/format.h>

#include <algorithm>

namespace strata {
namespace {

constexpr std::size_t kNamedLeftOut = 8;  // documents that a note names before it only counts

std::string prefix_in_words(const Tokenizer& tokenizer) {
  std::string tokens;
  for (const std::int32_t id : tokenizer.prefix())
    tokens += fmt::format("{}{} ({})", tokens.empty() ? "" : ", ", tokenizer.token_bytes(id), id);
  return tokens;
}

}  // namespace

std::string policy_in_words(const Tokenizer& tokenizer) {
  const std::string source =
      tokenizer.special_source().empty() ? "" : fmt::format(" (by {})", tokenizer.special_source());
  if (tokenizer.prefix().empty())
    return "no BOS: windows are the text's own tokens; EOS is never added" + source;
  return fmt::format("each window begins with {}; EOS is never added{}", prefix_in_words(tokenizer), source);
}

std::string packing_in_words(Packing packing, bool groups) {
  if (packing == Packing::none) return {};
  if (packing == Packing::concatenated)
    return "; documents shorter than a window are packed, concatenated: one after the other in one window, "
           "with nothing between them, and attention reaches back over all of them; a document of this "
           "record is a window of whole documents";
  if (!groups)
    return "; documents shorter than a window are separate: each is a window of its own, and attention stays "
           "inside it";
  return "; documents shorter than a window are packed, separate: each is a window of its own, and attention "
         "stays inside it; a document of this record is a group of whole documents with no more tokens than "
         "the context";
}

void LeftOut::add(const std::string& name, std::size_t tokens) {
  if (count < kNamedLeftOut) names += fmt::format("{}{} ({} tokens)", count == 0 ? "" : ", ", name, tokens);
  ++count;
  longest = std::max(longest, tokens);
}

std::string LeftOut::note(std::size_t fewest, const char* hint) const {
  const std::string rest = count > kNamedLeftOut ? fmt::format(" and {} more", count - kNamedLeftOut) : "";
  return fmt::format("left out, shorter than {} tokens: {}{}{}", fewest, names, rest, hint);
}

}  // namespace strata
