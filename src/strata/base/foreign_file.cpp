#include "strata/base/foreign_file.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <fstream>

namespace strata {
namespace {

constexpr std::size_t kFirstBytes = 4096;
constexpr const char* kAgain = "download the file itself again";

std::string first_bytes_of(const std::filesystem::path& path) {
  std::string bytes(kFirstBytes, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  return bytes;
}

bool starts_with_word(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin(),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

std::string_view without_space(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text[0])) != 0) text.remove_prefix(1);
  return text;
}

// llama-imatrix before GGUF: a count, then for each tensor the length of its name, and the name.
bool is_imatrix_dat(std::string_view bytes) {
  if (bytes.size() < 16) return false;
  std::uint32_t entries = 0, length = 0;
  std::memcpy(&entries, bytes.data(), 4);
  std::memcpy(&length, bytes.data() + 4, 4);
  if (entries == 0 || entries > 100'000 || length < 8 || length > 256 || bytes.size() < 8 + length)
    return false;
  const std::string_view name = bytes.substr(8, length);
  return name.find(".weight") != std::string_view::npos &&
         (name.starts_with("blk.") || name.starts_with("output") || name.starts_with("token_embd"));
}

}  // namespace

std::optional<ForeignFile> recognise_foreign(std::string_view bytes) {
  if (bytes.empty()) return ForeignFile{"an empty file", kAgain};
  const std::string_view text = without_space(bytes.substr(0, kFirstBytes));
  if (text.starts_with("version https://git-lfs.github.com/spec/"))
    return ForeignFile{"a Git LFS pointer, not the file that it stands for",
                       "fetch the file: git lfs pull, or hf download"};
  if (text.starts_with("version https://hawser.github.com/spec/"))
    return ForeignFile{"a Git LFS pointer, not the file that it stands for", "fetch the file: git lfs pull"};
  for (const char* word : {"<!doctype html", "<html", "<head", "<?xml"})
    if (starts_with_word(text, word))
      return ForeignFile{"a web page, not the file itself",
                         "the address of a file on the Hub has /resolve/, not /blob/; use hf download"};
  for (const char* word : {"entry not found", "repository not found", "invalid credentials",
                           "invalid username", "access to model", "{\"error\"", "{\"detail\"", "not found"})
    if (starts_with_word(text, word))
      return ForeignFile{"an error message of a server, not the file itself",
                         "download it with hf download; some models ask for a login"};
  if (bytes.starts_with("PK\x03\x04"))
    return ForeignFile{"a zip archive (PyTorch saves pickles so)", "give weights in safetensors or GGUF"};
  if (bytes.starts_with("\x80\x02") || bytes.starts_with("\x80\x04"))
    return ForeignFile{"a Python pickle", "a pickle can run code; convert it to safetensors"};
  if (bytes.starts_with("\x1f\x8b")) return ForeignFile{"a gzip archive", "unpack it"};
  if (bytes.starts_with("\x28\xb5\x2f\xfd")) return ForeignFile{"a zstd archive", "unpack it"};
  if (bytes.starts_with("\xfd"
                        "7zXZ"))
    return ForeignFile{"an xz archive", "unpack it"};
  for (const char* magic : {"lmgg", "fmgg", "tjgg", "algg"})
    if (bytes.starts_with(magic))
      return ForeignFile{"a GGML file, older than GGUF", "convert the model again with a current llama.cpp"};
  if (is_imatrix_dat(bytes))
    return ForeignFile{"an importance matrix (llama-imatrix), not a model",
                       "give the model that it was made of"};
  return std::nullopt;
}

std::optional<ForeignFile> recognise_foreign(std::span<const std::byte> bytes) {
  return recognise_foreign(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::optional<ForeignFile> recognise_foreign_file(const std::filesystem::path& path) {
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(path, unreadable)) return std::nullopt;
  if (!std::ifstream(path, std::ios::binary)) return std::nullopt;
  return recognise_foreign(first_bytes_of(path));
}

bool looks_like_text(const std::filesystem::path& path) {
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(path, unreadable)) return false;
  const std::string bytes = first_bytes_of(path);
  return !bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\r' || c == '\t' || c == '\f';
  });
}

}  // namespace strata
