#include "strata/workflow/tokenizer_kind.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/checkpoint/strict_json.h"
#include "strata/gguf/gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

// Walks tokenizer.json without keeping it: a vocabulary of 150,000 tokens goes by in passing.
class KindReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::string model_type;
  bool byte_fallback = false, byte_level = false, metaspace = false;
  std::int64_t tokens = 0;

  bool null() override { return value(); }
  bool boolean(bool v) override {
    if (at("model", "byte_fallback")) byte_fallback = v;
    return value();
  }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool string(string_t& v) override {
    if (at("model", "type")) model_type = v;
    if (!path_.empty() &&
        (path_[0] == "pre_tokenizer" || path_[0] == "decoder" || path_[0] == "normalizer") &&
        key_ == "type") {
      byte_level = byte_level || v == "ByteLevel";
      metaspace = metaspace || v == "Metaspace";
    }
    return value();
  }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& k) override {
    key_ = k;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool at(const char* section, const char* name) const {
    return path_.size() == 1 && path_[0] == section && key_ == name;
  }
  bool value() {
    if (path_.size() == 2 && path_[0] == "model" && path_[1] == "vocab") ++tokens;
    return true;
  }
  // path_ holds the keys that lead here, the document's own level left out.
  bool open() {
    if (depth_++ > 0) path_.push_back(key_);
    // Unigram's vocabulary is a list of pairs.
    if (path_.size() == 3 && path_[0] == "model" && path_[1] == "vocab") ++tokens;
    key_.clear();
    return depth_ <= kMaxJsonDepth;
  }
  bool close() {
    if (--depth_ > 0) path_.pop_back();
    key_.clear();
    return true;
  }
  std::vector<std::string> path_;
  std::string key_;
  int depth_ = 0;
};

std::string kind_of(const KindReader& r) {
  if (r.model_type == "BPE" && r.byte_level) return "byte-level BPE";
  if (r.model_type == "BPE" && (r.byte_fallback || r.metaspace)) return "SentencePiece BPE";
  if (r.model_type.empty()) return "of a type that the file does not name";
  return printable(r.model_type);
}

TokenizerKind of_json(const fs::path& path) {
  const MappedFile file(path);
  const auto* text = reinterpret_cast<const char*>(file.bytes().data());
  KindReader reader;
  if (!nlohmann::json::sax_parse(text, text + file.bytes().size(), &reader)) {
    throw Error(ErrorKind::bad_file,
                {.where = path.string(), .found = "not valid JSON", .expected = "a Hugging Face tokenizer"});
  }
  return {.kind = kind_of(reader), .source = path.filename().string(), .tokens = reader.tokens};
}

TokenizerKind of_gguf(const fs::path& path) {
  const MappedFile file(path);
  const GgufHeader header = parse_gguf(file.bytes(), path.string());
  const auto model = header.metadata.find_string("tokenizer.ggml.model");
  if (!model || *model == "no_vocab" || *model == "none") return {};
  TokenizerKind out{.source = "tokenizer.ggml.model " + printable(*model)};
  out.kind = *model == "gpt2"    ? "byte-level BPE"
             : *model == "llama" ? "SentencePiece BPE"
             : *model == "t5"    ? "Unigram"
             : *model == "bert"  ? "WordPiece"
                                 : printable(*model);
  if (const auto pre = header.metadata.find_string("tokenizer.ggml.pre"))
    out.source += ", pre " + printable(*pre);
  const auto tokens = header.metadata.values().find("tokenizer.ggml.tokens");
  if (tokens != header.metadata.values().end() && tokens->second.type == GgufValueType::array)
    out.tokens = static_cast<std::int64_t>(tokens->second.count);
  return out;
}

}  // namespace

TokenizerKind tokenizer_kind(const ModelLocation& location) {
  if (location.format == ModelFormat::gguf) return of_gguf(location.path);
  std::error_code unreadable;
  if (fs::exists(location.path / "tokenizer.json", unreadable))
    return of_json(location.path / "tokenizer.json");
  if (fs::exists(location.path / "tokenizer.model", unreadable))
    return {.kind = "SentencePiece", .source = "tokenizer.model"};
  if (fs::exists(location.path / "vocab.json", unreadable))
    return {.kind = "byte-level BPE", .source = "vocab.json and merges.txt"};
  return {};
}

}  // namespace strata
