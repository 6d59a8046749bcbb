// Text to token ids and back, exactly as the checkpoint's own tokenizer file says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

class GgufMetadata;

/// Byte-level BPE (Llama 3, Qwen) or SentencePiece (Llama 2). Immutable after loading, safe to share between
/// threads. All factories throw Error(bad_file) for a file that is not what it claims, Error(unsupported)
/// naming the component for a tokenizer strata cannot reproduce exactly. docs/formats.md says what each
/// kind of file means.
class Tokenizer {
 public:
  /// `path` is a directory with config.json beside the tokenizer, or a GGUF file (of a split model the
  /// first one); the GGUF is mapped while it is read, and no longer.
  [[nodiscard]] static Tokenizer for_model(const std::filesystem::path& path);
  /// Reads `directory`/tokenizer.json, else tokenizer.model, else vocab.json with merges.txt, and what
  /// tokenizer_config.json says of BOS, EOS and added tokens. Error(bad_file) when none is there.
  [[nodiscard]] static Tokenizer from_directory(const std::filesystem::path& directory);
  /// A folder as above, a file of these names, or the tokenizer inside a GGUF file.
  [[nodiscard]] static Tokenizer from_path(const std::filesystem::path& path);
  /// The content of a tokenizer.json alone; `where` names it in errors.
  [[nodiscard]] static Tokenizer from_json(std::string_view json, const std::string& where);
  /// A SentencePiece model alone: BOS before every text, no EOS, as transformers' LlamaTokenizer.
  [[nodiscard]] static Tokenizer from_sentencepiece(const std::filesystem::path& path);
  /// The keys tokenizer.ggml.* of a GGUF file; the metadata need not outlive the call.
  [[nodiscard]] static Tokenizer from_gguf(const GgufMetadata& metadata);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Ids of `text` (valid UTF-8, else Error(bad_file)). Added and special tokens in the text are recognised.
  /// With `add_special`, prefix and suffix are put around it. Error(unsupported) for a byte that the
  /// vocabulary has no token for. `where` names the text in errors.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text, bool add_special,
                                                 const std::string& where = "text") const;
  /// The bytes that the ids stand for; special tokens as their text. Of a SentencePiece tokenizer's ids that
  /// is the text with the space that the tokenizer puts before it.
  [[nodiscard]] std::string decode(const std::vector<std::int32_t>& ids) const;
  /// Whether there is a token with this id. A model may predict ids that its tokenizer lacks: tables are
  /// padded.
  [[nodiscard]] bool has_token(std::int32_t id) const;
  /// The bytes of one token. Throws Error(bad_file) for an id outside the vocabulary.
  [[nodiscard]] std::string token_bytes(std::int32_t id) const;

  /// Ids put before (after) every text, as the file says; usually BOS or nothing.
  [[nodiscard]] const std::vector<std::int32_t>& prefix() const;
  [[nodiscard]] const std::vector<std::int32_t>& suffix() const;
  /// Where several files disagree on these, which one counted and why; else empty.
  [[nodiscard]] const std::string& special_source() const;
  /// Id of a token (added or ordinary) by its text in the file.
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view token) const;
  /// The file, for messages about it.
  [[nodiscard]] const std::string& where() const;
  /// One past the largest id.
  [[nodiscard]] std::int32_t vocab_size() const;
  /// Digest of the file; of a GGUF, of its keys tokenizer.ggml.* alone (docs/formats.md).
  [[nodiscard]] const std::string& sha256() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace strata
