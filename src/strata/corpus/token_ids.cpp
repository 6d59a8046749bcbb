#include "strata/corpus/token_ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "strata/base/checked.h"
#include "strata/base/error.h"
#include "strata/base/npy.h"
#include "strata/corpus/bad_file.h"

namespace strata {
namespace {

constexpr const char* kExpected = "integers: int8 to int64, uint8 to uint64";

struct IntegerType {
  std::size_t bytes = 0;
  bool is_signed = false, big_endian = false;
};

// numpy's "<u2", ">i8", "|u1".
std::optional<IntegerType> type_of(std::string_view descr) {
  if (descr.size() != 3 || (descr[1] != 'i' && descr[1] != 'u')) return std::nullopt;
  const std::size_t bytes = static_cast<std::size_t>(descr[2] - '0');
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) return std::nullopt;
  if (descr[0] != '<' && descr[0] != '>' && !(descr[0] == '|' && bytes == 1)) return std::nullopt;
  return IntegerType{.bytes = bytes, .is_signed = descr[1] == 'i', .big_endian = descr[0] == '>'};
}

std::int64_t value_at(std::string_view data, std::size_t index, IntegerType type, const std::string& where) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < type.bytes; ++i) {
    const std::size_t byte = type.big_endian ? type.bytes - 1 - i : i;
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(data[index * type.bytes + byte]))
             << (8 * i);
  }
  const std::size_t unused = 64 - 8 * type.bytes;
  if (type.is_signed) return static_cast<std::int64_t>(value << unused) >> unused;
  if (value > INT64_MAX) bad(where, fmt::format("id {} at position {}", value, index), "a token id");
  return static_cast<std::int64_t>(value);
}

}  // namespace

void read_npy_ids(std::string_view bytes, const std::string& where, const IdsSink& sink) {
  const NpyHeader header = parse_npy_header(bytes, where);
  const auto type = type_of(header.descr);
  if (!type) {
    const char kind = header.descr.size() > 1 ? header.descr[1] : '?';
    bad(where, kind == 'f' ? "floating-point values" : fmt::format("values of dtype {}", header.descr),
        kExpected, "numpy.save(FILE, ids.astype('uint32'))");
  }
  if (header.shape.empty() || header.shape.size() > 2) {
    bad(where, fmt::format("{} dimensions", header.shape.size()),
        "token ids in one dimension, or in two with a document in each row");
  }
  const std::string_view data = bytes.substr(header.data_begin);
  const auto size = checked_mul(header.count, type->bytes);
  if (!size || data.size() != *size) {
    bad(where, fmt::format("{} bytes of data", data.size()),
        fmt::format("{} values of {} bytes", header.count, type->bytes));
  }
  const bool two = header.shape.size() == 2;
  // No values: no rows either, however many the header claims.
  const std::size_t rows = !two ? 1 : header.count == 0 ? 0 : header.shape[0];
  const std::size_t columns = header.shape.back();
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<std::int64_t> ids(columns);
    for (std::size_t column = 0; column < columns; ++column) {
      const std::size_t index = header.fortran_order ? column * rows + row : row * columns + column;
      ids[column] = value_at(data, index, *type, where);
    }
    sink(std::move(ids), two ? static_cast<std::int64_t>(row) : -1);
  }
}

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kRawTypes = {
    {{"uint8", "|u1"}, {"uint16", "<u2"}, {"uint32", "<u4"}, {"int32", "<i4"}, {"int64", "<i8"}}};

const auto* raw_type(const std::string& dtype) {
  return std::find_if(kRawTypes.begin(), kRawTypes.end(),
                      [&](const auto& row) { return row.first == dtype; });
}

}  // namespace

void check_ids_dtype(const std::string& dtype) {
  if (raw_type(dtype) != kRawTypes.end()) return;
  throw Error(ErrorKind::usage, {.option = "ids_dtype",
                                 .found = fmt::format("'{}'", dtype),
                                 .expected = "uint8, uint16, uint32, int32 or int64"});
}

std::vector<std::int64_t> read_raw_ids(std::string_view bytes, const std::string& dtype,
                                       const std::string& where) {
  check_ids_dtype(dtype);
  const IntegerType type = *type_of(raw_type(dtype)->second);
  if (bytes.size() % type.bytes != 0) {
    bad(where, fmt::format("{} bytes", bytes.size()), fmt::format("values of {} bytes", type.bytes),
        "another --ids-dtype, or a file cut short");
  }
  std::vector<std::int64_t> ids(bytes.size() / type.bytes);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = value_at(bytes, i, type, where);
  return ids;
}

}  // namespace strata
