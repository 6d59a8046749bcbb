#include "strata/corpus/packer.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/sha256.h"

namespace strata {
namespace {

constexpr std::size_t kOpenPacks = 64;  // more would fill the last gaps, at a cost for each document

}  // namespace

Packer::Packer(Packing packing, std::size_t capacity, std::vector<std::int32_t> prefix)
    : packing_(packing), capacity_(capacity), prefix_(std::move(prefix)) {
  if (packing_ == Packing::concatenated) capacity_ -= prefix_.size();  // once in a window
}

Packer::Pack& Packer::pack_for(std::size_t tokens, const CorpusDocument& document,
                               std::vector<CorpusDocument>& documents) {
  for (const std::size_t i : open_) {
    if (packs_[i].tokens + tokens <= capacity_) return packs_[i];
  }
  packs_.push_back({.document = documents.size()});
  documents.push_back({.name = document.name});
  if (capacity_ > 0) open_.push_back(packs_.size() - 1);
  if (open_.size() > kOpenPacks) {
    const auto fullest = std::max_element(open_.begin(), open_.end() - 1, [&](std::size_t a, std::size_t b) {
      return packs_[a].tokens < packs_[b].tokens;
    });
    open_.erase(fullest);
  }
  return packs_.back();
}

void Packer::add(CorpusDocument&& document, std::vector<std::int32_t>&& ids,
                 std::vector<CorpusDocument>& documents) {
  const std::size_t tokens = ids.size() + (packing_ == Packing::separate ? prefix_.size() : 0);
  Pack& pack = pack_for(tokens, document, documents);
  pack.tokens += tokens;
  ++pack.count;
  documents[pack.document].bytes += document.bytes;
  pack.digests += document.sha256;
  pack.last = std::move(document.name);
  pack.parts.push_back(std::move(ids));
}

void Packer::add_windows(Pack& pack, PackedWindows& packed) const {
  const auto document = static_cast<int>(pack.document);
  Window window{.document = document, .index = 0, .ids = prefix_};
  for (std::vector<std::int32_t>& part : pack.parts) {
    window.ids.insert(window.ids.end(), part.begin(), part.end());
    part = {};
    if (packing_ == Packing::concatenated) continue;
    packed.windows.push_back(window);
    ++window.index;
    window.ids = prefix_;
  }
  if (packing_ == Packing::concatenated) packed.windows.push_back(std::move(window));
}

PackedWindows Packer::finish(std::vector<CorpusDocument>& documents, std::size_t fewest) {
  PackedWindows packed;
  const std::size_t prefix = packing_ == Packing::concatenated ? prefix_.size() : 0;
  const bool only_one = documents.size() == 1;
  // First fit leaves one pack at most that is not half full, so hardly anything is left out.
  fewest = std::min(fewest, (capacity_ + prefix) / 2);
  for (Pack& pack : packs_) {
    if (capacity_ > 0 && !only_one && prefix + pack.tokens < fewest) {
      packed.left_out += pack.count;
      continue;
    }
    CorpusDocument& document = documents[pack.document];
    if (pack.count > 1) {
      document.name = fmt::format("{} documents, {} to {}", pack.count, document.name, pack.last);
      document.sha256 = sha256_hex(pack.digests);
    } else {
      document.sha256 = pack.digests;
    }
    document.is_group = packing_ == Packing::separate && pack.count > 1;
    add_windows(pack, packed);
    packed.documents += pack.count;
    ++packed.packs;
  }
  const char* mode = packing_ == Packing::separate ? "separate" : "concatenated";
  packed.note =
      capacity_ == 0
          ? fmt::format("{} documents shorter than a window, each a window of its own", packed.documents)
          : fmt::format(
                "packed ({}): {} documents shorter than a window in {} packs of whole documents; "
                "what the record calls a document is a pack, the unit of resampling",
                mode, packed.documents, packed.packs);
  packs_.clear();
  open_.clear();
  return packed;
}

}  // namespace strata
