// Short documents into packs: groups of whole documents with at most a window's tokens together.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "strata/corpus/corpus.h"

namespace strata {

struct PackedWindows {
  std::vector<Window> windows;  ///< ordered by document, then index
  std::size_t documents = 0, packs = 0;
  std::size_t left_out = 0;  ///< documents of a pack with fewer tokens than the shortest window
  std::string note;          ///< in words
};

/// A document goes into the first open pack that has room, in the order in which they come, so packs follow
/// from the text alone. Packs hold whole documents and share none: where documents are independent, packs
/// are, and resampling packs is right.
class Packer {
 public:
  /// `capacity`: tokens of a pack; 0: every document is alone.
  Packer(Packing packing, std::size_t capacity, std::vector<std::int32_t> prefix);
  /// `document` fits into a window. A new pack gets its place among `documents`.
  void add(CorpusDocument&& document, std::vector<std::int32_t>&& ids,
           std::vector<CorpusDocument>& documents);
  /// Windows of the packs, and their names in `documents`. A pack of fewer than `fewest` tokens that is not
  /// half full is left out, unless it is the only one (and the text is that short) or packs are single
  /// documents.
  [[nodiscard]] PackedWindows finish(std::vector<CorpusDocument>& documents, std::size_t fewest);

 private:
  struct Pack {
    std::size_t document = 0;  // index
    std::size_t tokens = 0;
    std::size_t count = 0;
    std::string last;  // name of the last document
    std::string digests;
    std::vector<std::vector<std::int32_t>> parts;
  };
  Pack& pack_for(std::size_t tokens, const CorpusDocument& document, std::vector<CorpusDocument>& documents);
  void add_windows(Pack& pack, PackedWindows& packed) const;
  Packing packing_;
  std::size_t capacity_;
  std::vector<std::int32_t> prefix_;
  std::vector<Pack> packs_;
  std::vector<std::size_t> open_;  // packs that may have room
};

}  // namespace strata
