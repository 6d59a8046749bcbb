// The safetensors header (https://huggingface.co/docs/safetensors): 8 bytes of length, a JSON object of
// tensors, then the data, which the tensors must tile without holes or overlaps.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "strata/base/checked.h"
#include "strata/base/error.h"
#include "strata/base/foreign_file.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/checkpoint/inventory.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kFirstBytes = 4096;               // by which other kinds of file are recognised
constexpr std::size_t kMaxExtents = 64;                 // of numpy and torch; weights have two
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // limit of the reference implementation

[[noreturn]] void bad(const std::string& where, std::string found, std::string expected) {
  throw Error(ErrorKind::bad_file, {.where = where,
                                    .found = std::move(found),
                                    .expected = std::move(expected),
                                    .hint = "the file may be cut short or damaged; download it again"});
}

std::string tensor_place(const std::string& where, std::string_view name) {
  return fmt::format("{}: tensor \"{}\"", where, printable(name));
}

// A file of another kind shows in the length that it does not have; a length alone may look like anything.
[[noreturn]] void bad_header(std::span<const std::byte> file, const std::string& where, std::string found,
                             std::string expected) {
  if (const auto foreign = recognise_foreign(file.subspan(0, std::min(file.size(), kFirstBytes)))) {
    throw Error(
        ErrorKind::bad_file,
        {.where = where, .found = foreign->what, .expected = "a safetensors file", .hint = foreign->hint});
  }
  bad(where, std::move(found), std::move(expected));
}

std::string_view header_text(std::span<const std::byte> file, const std::string& where) {
  if (file.size() < kLengthBytes) {
    bad_header(file, where, fmt::format("{} bytes", file.size()),
               "a safetensors file (8 bytes of header length first)");
  }
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(file[i]);
  if (length > kMaxHeaderBytes) {
    bad_header(file, where, fmt::format("header length {}", length),
               fmt::format("at most {}", kMaxHeaderBytes));
  }
  if (length > file.size() - kLengthBytes) {
    bad_header(file, where, fmt::format("header length {} in a file of {} bytes", length, file.size()),
               fmt::format("at most {}", file.size() - kLengthBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  if (text.empty() || text.front() != '{')
    bad_header(file, where, "a header that does not begin with {", "a JSON object");
  return text;
}

const json& field(const json& entry, const char* key, const std::string& place) {
  const auto found = entry.find(key);
  if (found == entry.end()) bad(place, fmt::format("no \"{}\"", key), "dtype, shape and data_offsets");
  return *found;
}

DType read_dtype(const json& value, const std::string& place) {
  if (!value.is_string()) bad(place, "a dtype that is not a string", "F32, F16 or BF16");
  const auto& word = value.get_ref<const std::string&>();
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    if (word == to_string(dtype)) return dtype;
  }
  throw Error(ErrorKind::unsupported, {.where = place,
                                       .found = "dtype " + printable(word),
                                       .expected = "F32, F16 or BF16",
                                       .hint = "strata does not compute with other weight types"});
}

std::uint64_t read_unsigned(const json& value, const std::string& place, const char* what) {
  if (!value.is_number_unsigned()) {
    bad(place,
        fmt::format("{} holds {}", what,
                    printable(value.dump(-1, ' ', false, json::error_handler_t::replace))),
        "integers, 0 or more");
  }
  return value.get<std::uint64_t>();
}

std::vector<std::int64_t> read_shape(const json& value, const std::string& place) {
  if (!value.is_array()) bad(place, "a shape that is not a list", "a list of integers");
  if (value.size() > kMaxExtents) {
    bad(place, fmt::format("a shape of {} extents", value.size()), fmt::format("at most {}", kMaxExtents));
  }
  std::vector<std::int64_t> shape;
  for (const json& entry : value) {
    const std::uint64_t extent = read_unsigned(entry, place, "shape");
    if (extent > static_cast<std::uint64_t>(INT64_MAX))
      bad(place, fmt::format("extent {}", extent), "less than 2^63");
    shape.push_back(static_cast<std::int64_t>(extent));
  }
  return shape;
}

// Bytes of one value of a tensor that is stored but not used.
std::optional<std::uint64_t> unused_bytes(const json& value) {
  constexpr std::array<std::pair<const char*, std::uint64_t>, 6> kWords{
      {{"F64", 8}, {"I64", 8}, {"F32", 4}, {"I32", 4}, {"F16", 2}, {"BF16", 2}}};
  for (const auto& [word, bytes] : kWords) {
    if (value == json(word)) return bytes;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> stored_bytes(const std::vector<std::int64_t>& shape, std::uint64_t each) {
  std::optional<std::uint64_t> total = each;
  for (const std::int64_t extent : shape) {
    total = checked_mul(*total, static_cast<std::uint64_t>(extent));
    if (!total) return std::nullopt;
  }
  return total;
}

// Offsets in the result are from the start of the file.
TensorInfo read_tensor(const std::string& name, const json& entry, std::uint64_t data_begin,
                       std::uint64_t data_size, const std::string& where) {
  const std::string place = tensor_place(where, name);
  if (!entry.is_object()) bad(place, "an entry that is not an object", "dtype, shape and data_offsets");
  TensorInfo info;
  info.name = name;
  // Rotary frequencies are ignored, whatever their type; the entry keeps F32.
  const json& type = field(entry, "dtype", place);
  const auto unused = is_rotary_buffer(name) ? unused_bytes(type) : std::nullopt;
  if (!unused) info.dtype = read_dtype(type, place);
  info.shape = read_shape(field(entry, "shape", place), place);
  const json& offsets = field(entry, "data_offsets", place);
  if (!offsets.is_array() || offsets.size() != 2)
    bad(place, "data_offsets that are not a pair", "[begin, end]");
  const std::uint64_t begin = read_unsigned(offsets[0], place, "data_offsets");
  const std::uint64_t end = read_unsigned(offsets[1], place, "data_offsets");
  if (begin > end) bad(place, fmt::format("data_offsets [{}, {}]", begin, end), "begin before end");
  if (end > data_size) {
    bad(place, fmt::format("data_offsets [{}, {}] beyond the end", begin, end),
        fmt::format("{} bytes of data", data_size));
  }
  const auto bytes = stored_bytes(info.shape, unused.value_or(size_bytes(info.dtype)));
  if (!bytes || *bytes != end - begin) {
    bad(place, fmt::format("{} bytes", end - begin),
        fmt::format("{} bytes for shape [{}] of {}", bytes ? std::to_string(*bytes) : "more than 2^64",
                    fmt::join(info.shape, ", "), to_string(info.dtype)));
  }
  info.offset_bytes = data_begin + begin;
  info.size_bytes = end - begin;
  return info;
}

void check_tiling(std::vector<TensorInfo>& tensors, std::uint64_t data_begin, std::uint64_t file_size,
                  const std::string& where) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.offset_bytes, a.size_bytes) < std::pair(b.offset_bytes, b.size_bytes);
  });
  std::uint64_t reached = data_begin;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.offset_bytes != reached) {
      bad(tensor_place(where, tensor.name),
          fmt::format("begins at byte {} of the file, {}", tensor.offset_bytes,
                      tensor.offset_bytes < reached ? "overlapping the tensor before it" : "after a hole"),
          fmt::format("byte {}", reached));
    }
    reached += tensor.size_bytes;
  }
  if (reached != file_size) {
    bad(where, fmt::format("{} bytes after the last tensor", file_size - reached), "none (a hole)");
  }
}

}  // namespace

std::vector<TensorInfo> parse_safetensors_header(std::span<const std::byte> file, const std::string& where) {
  const std::string_view text = header_text(file, where);
  const json header = parse_strict_json(text, where);
  const std::uint64_t data_begin = kLengthBytes + text.size();
  std::vector<TensorInfo> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    tensors.push_back(read_tensor(name, entry, data_begin, file.size() - data_begin, where));
  }
  check_tiling(tensors, data_begin, file.size(), where);
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  return tensors;
}

}  // namespace strata
