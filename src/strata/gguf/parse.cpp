// Everything of a GGUF file that stands before its data section.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>

#include "strata/base/checked.h"
#include "strata/base/error.h"
#include "strata/base/foreign_file.h"
#include "strata/gguf/gguf.h"
#include "strata/gguf/value.h"

// Values are copied out of the file as they are.
static_assert(std::endian::native == std::endian::little, "GGUF is read on little-endian machines only");

namespace strata {
namespace {

constexpr std::uint64_t kMaxKeyBytes = 65535;  // of the format
constexpr std::uint64_t kMaxNameBytes = 64;    // of the format
constexpr std::uint32_t kMaxExtents = 4;       // GGML_MAX_DIMS
constexpr int kMaxArrayDepth = 8;              // known files nest none
constexpr std::uint64_t kDefaultAlignment = 32;
// The least a key-value pair and an entry of the tensor list can take, to judge counts by.
constexpr std::uint64_t kMinPairBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

[[noreturn]] void bad(std::string where, std::string found, std::string expected) {
  throw Error(ErrorKind::bad_file, {.where = std::move(where),
                                    .found = std::move(found),
                                    .expected = std::move(expected),
                                    .hint = "the file may be cut short or damaged; download it again"});
}

// The bytes of the file in order. Every step is checked against what is left; `place` names in errors what is
// being read.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> file) : file_(file) {}

  [[nodiscard]] std::uint64_t position() const { return at_; }
  [[nodiscard]] std::uint64_t left() const { return file_.size() - at_; }
  [[nodiscard]] std::span<const std::byte> since(std::uint64_t begin) const {
    return file_.subspan(begin, at_ - begin);
  }

  void skip(std::uint64_t count, const std::string& place) {
    if (count > left()) {
      bad(place, fmt::format("{} bytes at byte {}, where {} are left", count, at_, left()), "a whole file");
    }
    at_ += count;
  }
  template <class T>
  T read(const std::string& place) {
    const std::uint64_t begin = at_;
    skip(sizeof(T), place);
    return gguf::load<T>(file_.data() + begin);
  }
  [[nodiscard]] std::span<const std::byte> file() const { return file_; }
  std::string_view string(const std::string& place, std::uint64_t limit) {
    const auto length = read<std::uint64_t>(place);
    if (length > std::min(limit, left())) {
      bad(place, fmt::format("a string of {} bytes at byte {}", length, at_),
          fmt::format("at most {}", std::min(limit, left())));
    }
    const std::uint64_t begin = at_;
    skip(length, place);
    return {reinterpret_cast<const char*>(file_.data() + begin), length};
  }

 private:
  std::span<const std::byte> file_;
  std::uint64_t at_ = 0;
};

void check_version(Cursor& cursor, GgufHeader& header, const std::string& where) {
  std::array<char, 4> magic{};
  for (char& c : magic) c = cursor.read<char>(where + ": the first four bytes");
  if (std::string_view(magic.data(), magic.size()) != "GGUF") {
    if (const auto foreign = recognise_foreign(cursor.file())) {
      throw Error(ErrorKind::bad_file,
                  {.where = where, .found = foreign->what, .expected = "a GGUF file", .hint = foreign->hint});
    }
    bad(where, "other bytes than GGUF at the beginning", "a GGUF file");
  }
  header.version = cursor.read<std::uint32_t>(where + ": the version");
  if (header.version == 2 || header.version == 3) return;
  // A big-endian 1, 2 or 3 leaves the low half empty.
  const bool big_endian = header.version != 0 && (header.version & 0xffffu) == 0;
  throw Error(ErrorKind::unsupported, {.where = where,
                                       .found = big_endian ? "a big-endian GGUF file"
                                                           : fmt::format("GGUF version {}", header.version),
                                       .expected = "version 2 or 3, little-endian",
                                       .hint = "convert the model again with a current llama.cpp"});
}

void check_count(std::uint64_t count, std::uint64_t least_bytes, const Cursor& cursor,
                 const std::string& where, const char* what) {
  if (count > cursor.left() / least_bytes) {
    bad(where, fmt::format("{} {} in {} bytes", count, what, cursor.left()), "a count that fits in the file");
  }
}

std::string read_label(Cursor& cursor, const std::string& place, std::uint64_t limit) {
  const std::string_view text = cursor.string(place, limit);
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (text.empty() || !printable) {
    bad(place, gguf::quoted(text), "one or more printable ASCII characters");
  }
  return std::string(text);
}

GgufValueType read_type(Cursor& cursor, const std::string& place) {
  const auto number = cursor.read<std::uint32_t>(place);
  if (number > static_cast<std::uint32_t>(GgufValueType::f64)) {
    bad(place, fmt::format("value type {}", number), "a type from 0 to 12");
  }
  return static_cast<GgufValueType>(number);
}

void skip_values(Cursor& cursor, GgufValueType type, std::uint64_t count, const std::string& place,
                 int depth);

void skip_array(Cursor& cursor, GgufValue* outer, const std::string& place, int depth) {
  if (depth >= kMaxArrayDepth) {
    bad(place, fmt::format("arrays nested more than {} deep", kMaxArrayDepth), "fewer");
  }
  const GgufValueType element = read_type(cursor, place);
  const auto count = cursor.read<std::uint64_t>(place);
  const std::uint64_t begin = cursor.position();
  skip_values(cursor, element, count, place, depth + 1);
  if (outer != nullptr) {
    *outer = {.type = GgufValueType::array, .element = element, .count = count, .bytes = cursor.since(begin)};
  }
}

void skip_values(Cursor& cursor, GgufValueType type, std::uint64_t count, const std::string& place,
                 int depth) {
  if (count > cursor.left() / gguf::least_bytes(type)) {
    bad(place, fmt::format("{} elements of {} in {} bytes", count, to_string(type), cursor.left()),
        "a count that fits in the file");
  }
  if (type == GgufValueType::array) {
    for (std::uint64_t i = 0; i < count; ++i) skip_array(cursor, nullptr, place, depth);
    return;
  }
  if (type == GgufValueType::string) {
    for (std::uint64_t i = 0; i < count; ++i) (void)cursor.string(place, cursor.left());
    return;
  }
  const std::uint64_t begin = cursor.position();
  cursor.skip(count * gguf::least_bytes(type), place);
  if (type != GgufValueType::boolean) return;
  for (const std::byte flag : cursor.since(begin)) {
    if (std::to_integer<int>(flag) > 1) {
      bad(place, fmt::format("a flag of {}", std::to_integer<int>(flag)), "0 or 1");
    }
  }
}

GgufValue read_value(Cursor& cursor, const std::string& place) {
  GgufValue value{.type = read_type(cursor, place)};
  if (value.type == GgufValueType::array) {
    skip_array(cursor, &value, place, 0);
    return value;
  }
  const std::uint64_t begin = cursor.position();
  skip_values(cursor, value.type, 1, place, 0);
  value.bytes = cursor.since(begin);
  return value;
}

GgufMetadata read_metadata(Cursor& cursor, std::uint64_t count, const std::string& where) {
  std::map<std::string, GgufValue, std::less<>> values;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = read_label(cursor, fmt::format("{}: key {}", where, i), kMaxKeyBytes);
    const std::string place = fmt::format("{}: {}", where, gguf::shortened(key));
    if (values.contains(key)) bad(place, "this key twice", "each key once");
    const GgufValue value = read_value(cursor, place);
    values.emplace(std::move(key), value);
  }
  return {std::move(values), where};
}

GgufTensor read_tensor(Cursor& cursor, std::uint64_t index, const std::string& where) {
  GgufTensor tensor;
  tensor.name = read_label(cursor, fmt::format("{}: name of tensor {}", where, index), kMaxNameBytes);
  const std::string place = fmt::format("{}: tensor \"{}\"", where, tensor.name);
  const auto extents = cursor.read<std::uint32_t>(place);
  if (extents < 1 || extents > kMaxExtents) {
    bad(place, fmt::format("{} extents", extents), fmt::format("1 to {}", kMaxExtents));
  }
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < extents; ++i) {
    const auto extent = cursor.read<std::uint64_t>(place);
    const auto product = checked_mul(elements, extent);
    if (extent == 0 || !product || *product > std::uint64_t(std::numeric_limits<std::int64_t>::max())) {
      bad(place, fmt::format("extent {} of {}", i, extent), "extents above 0 whose product fits in 63 bits");
    }
    elements = *product;
    tensor.extents.push_back(extent);
  }
  tensor.type = cursor.read<std::uint32_t>(place);
  tensor.offset_bytes = cursor.read<std::uint64_t>(place);
  return tensor;
}

std::uint64_t read_alignment(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  const auto alignment = metadata.find_integer(kKey, 0, std::numeric_limits<std::uint32_t>::max());
  if (!alignment) return kDefaultAlignment;
  const auto bytes = static_cast<std::uint64_t>(*alignment);
  if (!std::has_single_bit(bytes)) metadata.fail(kKey, fmt::format("{}", bytes), "a power of two");
  return bytes;
}

void check_tensors(const GgufHeader& header, std::uint64_t file_size, const std::string& where) {
  std::set<std::string_view> names;
  for (const GgufTensor& tensor : header.tensors) {
    const std::string place = fmt::format("{}: tensor \"{}\"", where, tensor.name);
    if (!names.insert(tensor.name).second) bad(place, "this name twice", "each tensor once");
    if (tensor.offset_bytes % header.alignment != 0) {
      bad(place, fmt::format("offset {}", tensor.offset_bytes),
          fmt::format("a multiple of the alignment, {}", header.alignment));
    }
    const auto begin = checked_add(header.data_begin, tensor.offset_bytes);
    if (!begin || *begin >= file_size) {
      bad(place,
          fmt::format("data at {} + {} of a file of {} bytes", header.data_begin, tensor.offset_bytes,
                      file_size),
          "data within the file");
    }
  }
}

}  // namespace

bool is_gguf_file(const std::filesystem::path& path) {
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(path, unreadable)) return false;
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "GGUF";
}

GgufHeader parse_gguf(std::span<const std::byte> file, const std::string& where) {
  Cursor cursor(file);
  GgufHeader header;
  check_version(cursor, header, where);
  const auto tensors = cursor.read<std::uint64_t>(where + ": the number of tensors");
  const auto pairs = cursor.read<std::uint64_t>(where + ": the number of keys");
  check_count(pairs, kMinPairBytes, cursor, where, "keys");
  check_count(tensors, kMinTensorBytes, cursor, where, "tensors");
  header.metadata = read_metadata(cursor, pairs, where);
  header.alignment = read_alignment(header.metadata);
  check_count(tensors, kMinTensorBytes, cursor, where, "tensors");
  for (std::uint64_t i = 0; i < tensors; ++i) header.tensors.push_back(read_tensor(cursor, i, where));
  // The sum cannot wrap: the position is within a file, and the alignment below 2^32.
  header.data_begin = (cursor.position() + header.alignment - 1) / header.alignment * header.alignment;
  check_tensors(header, file.size(), where);
  return header;
}

}  // namespace strata
