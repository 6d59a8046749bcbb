// A tokenizer.model whose tokens are the 256 bytes.
#pragma once

#include <string>
#include <string_view>

namespace strata::test {

// Protocol buffers by hand: field number and bytes, all shorter than 128.
inline std::string field(int number, const std::string& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + bytes;
}

// <unk>, <s>, </s> and the 256 bytes: every text is its bytes. With `space`, a token for U+2581, as Llama 2
// has it.
inline std::string byte_model(bool space = false) {
  const auto piece = [](const std::string& text, char type) {
    const std::string score("\x15\0\0\0\0", 5);
    return field(1, field(1, text) + score + std::string{'\x18', type});
  };
  std::string model = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3);
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte)
    model += piece(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 6);
  if (space) model += piece("\xe2\x96\x81", 1);
  // TrainerSpec: model_type BPE, byte_fallback; NormalizerSpec: no extra work on spaces but the first.
  return model + field(2, std::string("\x18\x02\x98\x02\x01", 5)) + field(3, std::string("\x20\x00", 2));
}

}  // namespace strata::test
