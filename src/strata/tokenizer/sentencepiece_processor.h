// One model of libsentencepiece, with strata's errors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace strata {

/// One loaded model. Move-only; const calls may come from several threads at once.
class SentencePieceProcessor {
 public:
  /// `bytes` is the file. Throws Error(bad_file) about `where` with the library's reason.
  SentencePieceProcessor(std::string_view bytes, const std::string& where);
  ~SentencePieceProcessor();
  SentencePieceProcessor(SentencePieceProcessor&&) noexcept;
  SentencePieceProcessor& operator=(SentencePieceProcessor&&) noexcept;

  [[nodiscard]] std::int32_t size() const;
  [[nodiscard]] const std::string& piece(std::int32_t id) const;
  [[nodiscard]] bool is_control(std::int32_t id) const;
  [[nodiscard]] bool is_unknown(std::int32_t id) const;
  [[nodiscard]] bool is_byte(std::int32_t id) const;
  [[nodiscard]] std::int32_t bos_id() const;  ///< -1 = none
  [[nodiscard]] std::int32_t eos_id() const;  ///< -1 = none
  /// Appends the ids of `text`. Throws Error(unsupported) with the library's reason.
  void encode(std::string_view text, std::vector<std::int32_t>& ids) const;

 private:
  std::string where_;
  std::unique_ptr<sentencepiece::SentencePieceProcessor> library_;
};

}  // namespace strata
