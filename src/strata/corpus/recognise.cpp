#include "strata/corpus/recognise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "strata/base/error.h"
#include "strata/corpus/json_values.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMeasureAsText = "--text-format text measures it as it is";
constexpr std::string_view kToLines = "convert it to JSON lines";

[[noreturn]] void refuse(const std::string& where, std::string_view found, std::string_view hint) {
  throw Error(ErrorKind::bad_file, {.where = where,
                                    .found = std::string(found),
                                    .expected = "UTF-8 text, JSON lines, a JSON array, or token ids",
                                    .hint = std::string(hint)});
}

struct Magic {
  std::string_view bytes;
  std::size_t offset;
  std::string_view what, hint;
  bool is_word = false;  // a text may begin with it: only binary data are meant
};

constexpr std::string_view kToJson =
    "convert it to JSON lines: in Python, datasets.load_dataset(...).to_json(\"text.jsonl\")";
constexpr std::string_view kPandas =
    "convert it to JSON lines: pandas.read_parquet(FILE).to_json(\"text.jsonl\", orient=\"records\", "
    "lines=True)";
constexpr std::string_view kModel = "this is a model's file; name a text with -f";
constexpr std::string_view kPicture = "only text is measured";

constexpr Magic kForeign[] = {
    {"PAR1"sv, 0, "a Parquet file", kPandas, true},
    {"ARROW1"sv, 0, "an Arrow file", kToJson, true},
    {"\xff\xff\xff\xff"sv, 0, "an Arrow stream", kToJson},
    {"ORC"sv, 0, "an ORC file", kToLines, true},
    {"Obj\x01"sv, 0, "an Avro file", kToLines},
    {"SQLite format 3\0"sv, 0, "an SQLite database", kToLines},
    {"\x89HDF\r\n\x1a\n"sv, 0, "an HDF5 file", "write token ids with numpy.save, or text as JSON lines"},
    {"PK\x03\x04"sv, 0, "a zip archive (also .docx, .epub, .npz and .xlsx)",
     "unpack it, and give the folder or its text files; a .docx or .epub: pandoc FILE -t plain -o text.txt"},
    {"PK\x05\x06"sv, 0, "an empty zip archive", "name a text with -f"},
    {"%PDF-"sv, 0, "a PDF document", "pdftotext FILE text.txt"},
    {"%!PS"sv, 0, "a PostScript document", "ps2ascii FILE text.txt"},
    {"{\\rtf"sv, 0, "an RTF document", "pandoc -f rtf -t plain FILE -o text.txt"},
    {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, 0, "a document of an older Office", "save it as plain text"},
    {"BZh"sv, 0, "bzip2 data", "bzip2 -dc FILE | strata ... -f -", true},
    {"\xfd\x37zXZ\0"sv, 0, "xz data", "xz -dc FILE | strata ... -f -"},
    {"\x04\x22\x4d\x18"sv, 0, "LZ4 data", "lz4 -dc FILE | strata ... -f -"},
    {"7z\xbc\xaf\x27\x1c"sv, 0, "a 7z archive", "unpack it, and give the folder"},
    {"Rar!\x1a\x07"sv, 0, "a RAR archive", "unpack it, and give the folder"},
    {"ustar"sv, 257, "a tar archive", "unpack it, and give the folder"},
    {"\x1f\x8b\x08"sv, 0, "gzip data inside gzip data", "unpack it once"},
    {"\x28\xb5\x2f\xfd"sv, 0, "Zstandard data inside compressed data", "unpack it once"},
    {"GGUF"sv, 0, "a GGUF model", kModel, true},
    {"\x89PNG\r\n"sv, 0, "a picture", kPicture},
    {"\xff\xd8\xff"sv, 0, "a picture", kPicture},
    {"GIF8"sv, 0, "a picture", kPicture, true},
    {"RIFF"sv, 0, "a sound or video file", kPicture, true},
    {"\x7f"
     "ELF"sv,
     0, "a program", kPicture},
    {"MMIDIDX"sv, 0, "the index of a Megatron data set", "give its .bin with --ids-dtype", true},
    {"\x88\xd8\x34\x01"sv, 0, "token ids of llm.c with a header of 1024 bytes",
     "tail -c +1025 FILE > ids.bin, then --ids-dtype uint16"},
    {"version https://git-lfs.github.com/spec/"sv, 0, "a Git LFS pointer, not the file itself",
     "git lfs pull"},
};

std::string_view without_space(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text;
}

bool begins_with_word(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  return std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char a, char b) {
    return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
  });
}

// Whether the bytes are no text: a zero byte, or invalid UTF-8 before the end, where a character may be cut.
bool is_binary(std::string_view head) {
  const auto invalid = invalid_utf8_offset(head);
  return head.find('\0') != std::string_view::npos || (invalid && *invalid + 4 < head.size());
}

void refuse_foreign(std::string_view head, std::string_view extension, const std::string& where) {
  const bool binary = is_binary(head);
  for (const Magic& magic : kForeign) {
    if (magic.is_word && !binary) continue;
    if (head.size() >= magic.offset && head.substr(magic.offset).starts_with(magic.bytes))
      refuse(where, magic.what, magic.hint);
  }
  // A pickle: opcode 0x80, a protocol of 2 to 5.
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
    refuse(where, "a Python pickle",
           "it can run code when it is loaded; write JSON lines, or ids with numpy.save");
  if (head.size() > 8 && head[8] == '{' && head.substr(2, 6) == "\0\0\0\0\0\0"sv)
    refuse(where, "a safetensors file", kModel);
  const std::string_view text = without_space(head.substr(head.starts_with(kByteOrderMark) ? 3 : 0));
  for (const std::string_view start : {"<?xml"sv, "<!doctype html"sv, "<html"sv, "<mediawiki"sv}) {
    if (begins_with_word(text, start))
      refuse(where, start == "<?xml" || start == "<mediawiki" ? "XML" : "an HTML page",
             fmt::format("pandoc FILE -t plain -o text.txt takes the markup off; {}", kMeasureAsText));
  }
  if (extension == ".csv" || extension == ".tsv")
    refuse(where, "a table", fmt::format("{}; {}", kToLines, kMeasureAsText));
}

bool has_json_name(std::string_view extension) {
  constexpr std::array kNames = {".json"sv, ".jsonl"sv, ".ndjson"sv, ".jsonlines"sv};
  return std::find(kNames.begin(), kNames.end(), extension) != kNames.end();
}

// "[1] Introduction" and "[[a link]]" are prose, [1, 2] and [{"text": ...}] are JSON: the first element, and
// what follows it, decide.
bool begins_with_array(std::string_view text) {
  const std::string_view inside = without_space(text.substr(1));
  if (inside.empty()) return true;
  const auto size = json_value_size(inside);
  if (!size) return inside[0] == '{' || inside[0] == '[' || inside[0] == '"';  // longer than the head
  if (*size == 0 || !is_json(inside.substr(0, *size)))
    return inside[0] == '{' && is_json_object_start(inside);
  const std::string_view rest = without_space(inside.substr(*size));
  if (rest.starts_with(',')) return true;
  if (!rest.starts_with(']')) return false;
  const std::string_view behind = without_space(rest.substr(1));
  return behind.empty() || behind[0] == '[';
}

bool looks_like_json(std::string_view head, std::string_view extension) {
  if (has_json_name(extension)) return true;
  if (head.starts_with(kByteOrderMark)) head.remove_prefix(kByteOrderMark.size());
  const std::string_view text = without_space(head);
  if (text.empty()) return false;
  if (text[0] == '{') return is_json_object_start(text);
  return text[0] == '[' && begins_with_array(text);
}

// Zero bytes at every second place: UTF-16 of a text that is mostly Latin.
std::string_view encoding_of(std::string_view text) {
  if (text.starts_with("\xff\xfe\0\0"sv)) return "UTF-32LE";
  if (text.starts_with("\0\0\xfe\xff"sv)) return "UTF-32BE";
  if (text.starts_with("\xff\xfe"sv)) return "UTF-16LE";
  if (text.starts_with("\xfe\xff"sv)) return "UTF-16BE";
  const std::string_view sample = text.substr(0, 4096);
  std::array<std::size_t, 4> zeros{};
  for (std::size_t i = 0; i < sample.size(); ++i) zeros[i % 4] += sample[i] == '\0' ? 1 : 0;
  const std::size_t quarter = sample.size() / 4, most = quarter * 7 / 10, few = quarter / 20;
  if (quarter < 4) return {};  // too little to tell
  const auto [a, b, c, d] = zeros;
  if (a <= few && b >= most && c >= most && d >= most) return "UTF-32LE";
  if (a >= most && b >= most && c >= most && d <= few) return "UTF-32BE";
  if (a <= few && c <= few && b >= most && d >= most) return "UTF-16LE";
  if (b <= few && d <= few && a >= most && c >= most) return "UTF-16BE";
  return {};
}

}  // namespace

TextFormat parse_text_format(const std::string& name) {
  if (name.empty() || name == "auto") return TextFormat::automatic;
  if (name == "text") return TextFormat::text;
  if (name == "json" || name == "jsonl") return TextFormat::json;
  throw Error(
      ErrorKind::usage,
      {.option = "text_format", .found = fmt::format("'{}'", name), .expected = "auto, text, json or jsonl"});
}

ContentKind recognise(std::string_view head, std::string_view extension, TextFormat format,
                      const std::string& where) {
  if (head.starts_with("\x93NUMPY")) return ContentKind::npy;
  if (extension == ".npy" && format != TextFormat::text)
    refuse(where, "no .npy file, whatever its name says", "write token ids with numpy.save");
  if (format == TextFormat::text) return ContentKind::text;
  if (format == TextFormat::json) return ContentKind::json;
  refuse_foreign(head, extension, where);
  if (!encoding_of(head).empty()) require_utf8(head, 0, format, where);
  return looks_like_json(head, extension) ? ContentKind::json : ContentKind::text;
}

void require_utf8(std::string_view text, std::size_t offset_bytes, TextFormat format,
                  const std::string& where) {
  const auto invalid = invalid_utf8_offset(text);
  const std::size_t zero = format == TextFormat::text ? std::string_view::npos : text.find('\0');
  if (!invalid && zero == std::string_view::npos) return;
  if (const std::string_view encoding = offset_bytes == 0 ? encoding_of(text) : ""sv; !encoding.empty())
    refuse(where, fmt::format("text in {}", encoding),
           fmt::format("iconv -f {} -t UTF-8 FILE > text.txt; token ids without a header need --ids-dtype",
                       encoding));
  const std::size_t at = invalid ? std::min(*invalid, zero) : zero;
  const bool is_zero = at == zero;
  const std::string found = is_zero ? fmt::format("a zero byte at byte {}", at + offset_bytes)
                                    : fmt::format("invalid UTF-8 at byte {}", at + offset_bytes);
  throw Error(ErrorKind::bad_file,
              {.where = where,
               .found = found,
               .expected = "UTF-8 text",
               .hint = is_zero ? "token ids without a header need --ids-dtype"
                               : "iconv -f ENCODING -t UTF-8 FILE > text.txt converts a text; token ids "
                                 "without a header need --ids-dtype"});
}

}  // namespace strata
