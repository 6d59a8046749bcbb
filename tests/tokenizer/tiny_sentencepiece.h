// tokenizer.model files written by hand: the wire format of protocol buffers, fields of
// sentencepiece_model.proto by number.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "tests/tokenizer/tiny_gguf.h"

namespace strata::test {

inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
inline std::string bytes_field(std::uint64_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
inline std::string int_field(std::uint64_t number, std::uint64_t value) {
  return varint(number << 3) + varint(value);
}
inline std::string float_field(std::uint64_t number, float value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return varint(number << 3 | 5) + bytes;
}

inline std::string piece_field(const Piece& piece) {
  return bytes_field(1, bytes_field(1, piece.text) + float_field(2, piece.score) +
                            int_field(3, static_cast<std::uint64_t>(piece.type)));
}

/// <0x00> to <0xFF>.
inline std::vector<Piece> byte_pieces() {
  std::vector<Piece> all;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte)
    all.push_back({std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 0, 6});
  return all;
}

struct ModelOptions {
  std::uint64_t model_type = 2;  // 1 unigram, 2 BPE
  std::string normalizer = int_field(3, 1) + int_field(4, 0) + int_field(5, 1);
};

/// <unk>, <s>, </s>, the bytes as ids 3..258, then `pieces`.
inline std::string model_of(const std::vector<Piece>& pieces, const ModelOptions& options = {}) {
  std::string model;
  for (const Piece& piece : {Piece{"<unk>", 0, 2}, Piece{"<s>", 0, 3}, Piece{"</s>", 0, 3}})
    model += piece_field(piece);
  for (const Piece& piece : byte_pieces()) model += piece_field(piece);
  for (const Piece& piece : pieces) model += piece_field(piece);
  return model + bytes_field(2, int_field(3, options.model_type) + int_field(35, 1)) +
         bytes_field(3, options.normalizer);
}

}  // namespace strata::test
