// A checkpoint and a text, opened.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace strata {

class Checkpoint;
struct LoadedText;

/// A checkpoint whose headers are checked and whose weights are mapped. Copies share it.
class Model {
 public:
  /// A Hugging Face directory, a .gguf file, or org/name[@revision] in the Hugging Face cache. Throws
  /// Error(usage) where there is none, Error(bad_file) and Error(unsupported) naming file and key.
  [[nodiscard]] static Model open(const std::filesystem::path& path);

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] int blocks() const;
  [[nodiscard]] int hidden() const;                                      ///< width of the residual stream
  [[nodiscard]] int vocabulary() const;                                  ///< tokens
  [[nodiscard]] int max_context() const;                                 ///< tokens
  [[nodiscard]] Checkpoint& checkpoint() const { return *checkpoint_; }  ///< for the library itself

 private:
  explicit Model(std::shared_ptr<Checkpoint> checkpoint) : checkpoint_(std::move(checkpoint)) {}
  std::shared_ptr<Checkpoint> checkpoint_;
};

struct TextOptions {
  std::filesystem::path path;  ///< a file, a folder, or "-" (standard input): docs/formats.md says of what
  int context = 0;             ///< longest window in tokens; 0 = 512, or the model's limit if that is less
  int chunks = 0;              ///< at most so many windows, taken in turn from the documents; 0 = all
  int limit = 0;               ///< at most so many documents; 0 = all
  /// Instead of the model's own: a folder, tokenizer.json, tokenizer.model, vocab.json or GGUF file; empty =
  /// its own.
  std::filesystem::path tokenizer = {};
  std::vector<std::filesystem::path> more_paths = {};  ///< further ones
  bool recursive = false;                              ///< folders inside folders, too
  std::string text_key =
      {};  ///< where a JSON record has its text, like "a.b"; empty = text, messages, input_ids
  std::string text_format = {};  ///< auto, text or json; empty = auto, by content
  std::string ids_dtype = {};  ///< files are raw token ids of this type: uint16, uint32, int32, int64, uint8
  std::string pack = {};       ///< documents shorter than a window: none, separate or concatenated
  bool groups = true;          ///< with separate: one document of the record is a group of them
  bool keep_texts = false;     ///< for the library itself: LoadedText::texts
  std::uint64_t memory_bytes = 0;  ///< for the text and its ids; 0 = not looked at
};

/// Documents cut into windows of token ids. Copies share them.
class Text {
 public:
  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] std::size_t documents() const;
  [[nodiscard]] std::size_t windows() const;
  [[nodiscard]] std::int64_t tokens() const;
  [[nodiscard]] const std::vector<std::string>& notes() const;         ///< e.g. documents that are too short
  [[nodiscard]] const LoadedText& loaded() const { return *loaded_; }  ///< for the library itself

 private:
  friend Text load_text(const Model& model, const TextOptions& options);
  explicit Text(std::shared_ptr<const LoadedText> loaded) : loaded_(std::move(loaded)) {}
  std::shared_ptr<const LoadedText> loaded_;
};

/// Reads and tokenizes. Throws Error(bad_file) naming file and offset, Error(usage) for a window that does
/// not suit the model.
[[nodiscard]] Text load_text(const Model& model, const TextOptions& options);

}  // namespace strata
