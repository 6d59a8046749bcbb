// Token ids that come as numbers: .npy arrays, and raw files of one integer type.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// `row`: from 0 where an array has two dimensions, else -1.
using IdsSink = std::function<void(std::vector<std::int64_t>&& ids, std::int64_t row)>;

/// An array of one dimension, or of two with a document in each row; any integer type, either byte order.
/// Throws Error(bad_file).
void read_npy_ids(std::string_view bytes, const std::string& where, const IdsSink& ids);

/// Throws Error(usage) naming the option ids_dtype, unless `dtype` is uint8, uint16, uint32, int32 or int64.
void check_ids_dtype(const std::string& dtype);
/// Little-endian values without a header, one document. Throws Error(bad_file).
[[nodiscard]] std::vector<std::int64_t> read_raw_ids(std::string_view bytes, const std::string& dtype,
                                                     const std::string& where);

}  // namespace strata
