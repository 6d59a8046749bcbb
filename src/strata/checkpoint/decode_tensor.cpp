#include "strata/checkpoint/decode_tensor.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/base/vectorise.h"

namespace strata {
namespace {

constexpr std::uint32_t kExponent = 0x7f800000u;

STRATA_VECTORISED
std::uint32_t any_non_finite(const float* values, std::size_t count) {
  std::uint32_t any = 0;
  for (std::size_t i = 0; i < count; ++i) {
    any |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(values[i]) & kExponent) == kExponent);
  }
  return any;
}

std::size_t first_non_finite(std::span<const float> out) {
  if (any_non_finite(out.data(), out.size()) == 0) return out.size();
  const auto found = std::find_if(out.begin(), out.end(), [](float value) {
    return (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent;
  });
  return static_cast<std::size_t>(found - out.begin());
}

// Where row `row` of the result is stored.
std::size_t stored_row(const StoredMatrix& stored, std::size_t row) {
  const std::size_t group = stored.interleaved_rows;
  if (group == 0) return row;
  const std::size_t within = row % group, half = group / 2;
  return row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
}

std::size_t row_bytes(const StoredMatrix& stored) {
  const DTypeFacts& type = facts(stored.dtype);
  return stored.columns / type.block_elements * type.block_bytes;
}

// Rows [begin, begin + out.size() / columns).
void decode_rows(const StoredMatrix& stored, std::size_t begin, std::span<float> out) {
  const std::size_t each = row_bytes(stored), rows = out.size() / stored.columns;
  if (stored.interleaved_rows == 0) {
    convert_to_float32(stored.dtype, stored.bytes.subspan(begin * each, rows * each), out);
    return;
  }
  for (std::size_t row = 0; row < rows; ++row) {
    convert_to_float32(stored.dtype, stored.bytes.subspan(stored_row(stored, begin + row) * each, each),
                       out.subspan(row * stored.columns, stored.columns));
  }
}

// body(first row, rows) for all rows; it returns the index within its part of a value that is not finite, or
// its size. Returns the first of them.
template <class Body>
std::size_t for_each_part(const StoredMatrix& stored, int threads, const Body& body) {
  STRATA_CHECK(stored.interleaved_rows == 0 ||
               (stored.interleaved_rows % 2 == 0 && stored.rows % stored.interleaved_rows == 0));
  const std::size_t task_rows =
      std::max<std::size_t>(1, kDecodedAtOnce / std::max<std::size_t>(1, stored.columns));
  const std::size_t tasks = (stored.rows + task_rows - 1) / task_rows, count = stored.rows * stored.columns;
  std::vector<std::size_t> bad(tasks, count);
  parallel_for(tasks, threads, [&](std::size_t task) {
    const std::size_t begin = task * task_rows, rows = std::min(stored.rows - begin, task_rows);
    if (const std::size_t at = body(begin, rows); at != rows * stored.columns) {
      bad[task] = begin * stored.columns + at;
    }
  });
  return tasks == 0 ? count : *std::min_element(bad.begin(), bad.end());
}

}  // namespace

std::size_t decode_tensor(const StoredMatrix& stored, int threads, std::span<float> out) {
  STRATA_CHECK(out.size() == stored.rows * stored.columns);
  return for_each_part(stored, threads, [&](std::size_t begin, std::size_t rows) {
    const auto part = out.subspan(begin * stored.columns, rows * stored.columns);
    decode_rows(stored, begin, part);
    return first_non_finite(part);
  });
}

std::size_t decode_tensor(const StoredMatrix& stored, int threads, const RowSink& sink) {
  return for_each_part(stored, threads, [&](std::size_t begin, std::size_t rows) {
    std::vector<float> part(rows * stored.columns);
    decode_rows(stored, begin, part);
    const std::size_t at = first_non_finite(part);
    if (at == part.size()) sink(begin, part);
    return at;
  });
}

}  // namespace strata
