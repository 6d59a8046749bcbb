#include "strata/corpus/corpus.h"

#include <fmt/format.h>

#include <map>

#include "strata/base/error.h"

namespace strata {
namespace {

constexpr std::size_t kNamedEqual = 16;  // documents that the warning of equal ones names

}  // namespace

Packing parse_packing(const std::string& name) {
  if (name.empty() || name == "none") return Packing::none;
  if (name == "separate") return Packing::separate;
  if (name == "concatenated") return Packing::concatenated;
  throw Error(ErrorKind::usage, {.option = "pack",
                                 .found = fmt::format("'{}'", name),
                                 .expected = "none, separate (attention inside a document) or concatenated"});
}

std::int64_t Corpus::token_count() const {
  std::int64_t count = 0;
  for (const Window& window : windows) count += static_cast<std::int64_t>(window.ids.size());
  return count;
}

std::uint64_t Corpus::memory_bytes() const {
  std::uint64_t bytes = 0;
  for (const Window& window : windows) bytes += sizeof(Window) + window.ids.capacity() * sizeof(std::int32_t);
  for (const CorpusDocument& document : documents)
    bytes += sizeof(CorpusDocument) + document.name.capacity() + document.sha256.capacity();
  return bytes;
}

std::string equal_documents_warning(const Corpus& corpus) {
  std::map<std::string, std::vector<std::string>> by_text;
  std::vector<std::string> order;  // of first appearance
  for (const CorpusDocument& document : corpus.documents) {
    if (document.sha256.empty()) continue;
    auto& names = by_text[document.sha256];
    if (names.empty()) order.push_back(document.sha256);
    names.push_back(document.name);
  }
  std::size_t documents = 0;
  std::string groups;
  bool unnamed = false;
  for (const std::string& text : order) {
    const auto& names = by_text[text];
    if (names.size() < 2) continue;
    documents += names.size();
    unnamed = documents > kNamedEqual && !groups.empty();
    if (unnamed) continue;
    const std::size_t named = std::min(names.size(), kNamedEqual);
    groups += groups.empty() ? "" : "; ";
    for (std::size_t i = 0; i < named; ++i) groups += (i == 0 ? "" : " = ") + names[i];
    if (named < names.size()) groups += fmt::format(" = {} more", names.size() - named);
  }
  if (groups.empty()) return {};
  return fmt::format(
      "documents with the same text, byte for byte: {} of {} ({}{}); they are resampled as if they were "
      "independent, so standard errors and intervals are too small",
      documents, corpus.documents.size(), groups, unnamed ? "; ..." : "");
}

}  // namespace strata
