// Text to token ids and back, exactly as the checkpoint's own tokenizer.json says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// A byte-level BPE tokenizer. Immutable after loading, safe to share between threads.
class Tokenizer {
 public:
  /// Reads `directory`/tokenizer.json. Throws Error(bad_file) for a file that is not what it claims,
  /// Error(unsupported) naming the component for a tokenizer strata cannot reproduce exactly.
  [[nodiscard]] static Tokenizer from_directory(const std::filesystem::path& directory);
  [[nodiscard]] static Tokenizer from_json(std::string_view json, const std::string& where);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Ids of `text` (valid UTF-8, else Error(bad_file)). Added tokens in the text are recognised.
  /// With `add_special`, the post-processor's template is applied (BOS, EOS as the file says).
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text, bool add_special) const;
  /// The bytes that the ids stand for; special tokens as their text.
  [[nodiscard]] std::string decode(const std::vector<std::int32_t>& ids) const;
  /// The bytes of one token. Throws Error(bad_file) for an id outside the vocabulary.
  [[nodiscard]] std::string token_bytes(std::int32_t id) const;

  /// Ids that the post-processor puts before (after) every text; usually BOS or nothing.
  [[nodiscard]] const std::vector<std::int32_t>& prefix() const;
  [[nodiscard]] const std::vector<std::int32_t>& suffix() const;
  /// Id of a token (added or ordinary) by its text in the file.
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view token) const;
  /// One past the largest id.
  [[nodiscard]] std::int32_t vocab_size() const;
  [[nodiscard]] const std::string& sha256() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace strata
