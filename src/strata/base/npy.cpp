#include "strata/base/npy.h"

#include <fmt/format.h>
#include <zip.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

#include "strata/base/checked.h"
#include "strata/base/error.h"
#include "strata/base/file.h"

namespace strata {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;  // numpy.lib.format: the data start on a 64-byte boundary

[[noreturn]] void bad(const std::string& where, std::string found, std::string expected) {
  throw Error(ErrorKind::bad_file,
              {.where = where, .found = std::move(found), .expected = std::move(expected)});
}

// The text after `'key': ` in the header's Python dictionary.
std::optional<std::string_view> value_of(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = header.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

std::vector<std::size_t> parse_shape(std::string_view text, const std::string& where) {
  const std::size_t close = text.find(')');
  if (text.empty() || text.front() != '(' || close == std::string_view::npos) {
    bad(where, "a header without a shape tuple", "'shape': (n, ...)");
  }
  std::vector<std::size_t> shape;
  const char* at = text.data() + 1;
  const char* const end = text.data() + close;
  while (at < end) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    std::size_t extent = 0;
    const auto [next, error] = std::from_chars(at, end, extent);
    if (error != std::errc{}) bad(where, "a shape that is not a tuple of numbers", "'shape': (n, ...)");
    shape.push_back(extent);
    at = next;
  }
  return shape;
}

template <class T>
std::vector<T> copy_values(std::string_view data, std::size_t count, const std::string& where) {
  const auto size_bytes = checked_mul(count, sizeof(T));
  if (!size_bytes || data.size() != *size_bytes) {
    bad(where, fmt::format("{} bytes of data", data.size()),
        fmt::format("{} values of {} bytes", count, sizeof(T)));
  }
  std::vector<T> values(count);
  if (count != 0) std::memcpy(values.data(), data.data(), data.size());
  return values;
}

struct ZipCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Zip = std::unique_ptr<zip_t, ZipCloser>;

[[noreturn]] void zip_failed(const std::filesystem::path& path, ErrorKind kind, const std::string& what) {
  throw Error(kind, {.where = path.string(), .found = what, .hint = "what was there before is unchanged"});
}

}  // namespace

std::size_t NpyArray::size() const {
  return std::visit([](const auto& values) { return values.size(); }, data);
}

std::vector<double> NpyArray::as_double() const {
  return std::visit(
      [](const auto& values) {
        std::vector<double> out;
        out.reserve(values.size());
        for (const auto value : values) out.push_back(static_cast<double>(value));
        return out;
      },
      data);
}

NpyArray parse_npy(std::string_view bytes, const std::string& where) {
  if (bytes.size() < 10 || bytes.substr(0, 6) != kMagic) bad(where, "no .npy magic", "\\x93NUMPY");
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
  };
  const std::size_t major = byte(6);
  if (major != 1 && major != 2) bad(where, fmt::format(".npy version {}", major), "version 1 or 2");
  const std::size_t prefix = major == 1 ? 10 : 12;
  if (bytes.size() < prefix) bad(where, "a truncated header", ".npy header");
  std::size_t length = byte(8) | (byte(9) << 8);
  if (major == 2) length |= (byte(10) << 16) | (byte(11) << 24);
  if (length > bytes.size() - prefix) bad(where, "a header longer than the file", ".npy header");
  const std::string_view header = bytes.substr(prefix, length);
  const std::string_view body = bytes.substr(prefix + length);

  const auto order = value_of(header, "fortran_order");
  if (!order || !order->starts_with("False")) bad(where, "Fortran order", "'fortran_order': False");
  const auto shape_text = value_of(header, "shape");
  const auto descr = value_of(header, "descr");
  if (!shape_text || !descr) bad(where, "a header without shape or descr", ".npy header");

  NpyArray array;
  array.shape = parse_shape(*shape_text, where);
  std::uint64_t count = 1;
  for (const std::size_t extent : array.shape) {
    const auto product = checked_mul(count, extent);
    if (!product) bad(where, "a shape that overflows", "a shape that fits the file");
    count = *product;
  }
  if (descr->starts_with("'<f4'")) {
    array.data = copy_values<float>(body, count, where);
  } else if (descr->starts_with("'<f8'")) {
    array.data = copy_values<double>(body, count, where);
  } else if (descr->starts_with("'<i4'")) {
    array.data = copy_values<std::int32_t>(body, count, where);
  } else if (descr->starts_with("'<i8'")) {
    array.data = copy_values<std::int64_t>(body, count, where);
  } else {
    bad(where, fmt::format("dtype {}", descr->substr(0, std::min<std::size_t>(descr->find(','), 20))),
        "<f4, <f8, <i4 or <i8");
  }
  return array;
}

std::string npy_header(std::string_view descr, const std::vector<std::size_t>& extents) {
  std::string shape;
  for (const std::size_t extent : extents) shape += fmt::format("{}, ", extent);
  if (extents.size() > 1) shape.resize(shape.size() - 2);
  if (extents.size() == 1) shape.pop_back();
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  const std::size_t unpadded = kMagic.size() + 4 + header.size() + 1;
  header += std::string((kAlignment - unpadded % kAlignment) % kAlignment, ' ') + '\n';
  std::string out(kMagic);
  out += {'\x01', '\x00', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  return out + header;
}

std::string format_npy(const NpyArray& array) {
  constexpr std::string_view kTypes[] = {"<f4", "<f8", "<i4", "<i8"};
  std::string out = npy_header(kTypes[array.data.index()], array.shape);
  std::visit(
      [&](const auto& values) {
        out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
      },
      array.data);
  return out;
}

NpyArray read_npy(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return parse_npy({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

void write_npz_atomic(const std::filesystem::path& path, const std::vector<NamedArray>& arrays) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  const auto fail = [&](const std::string& what) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    zip_failed(path, ErrorKind::run_failed, what);
  };
  int code = 0;
  Zip archive(zip_open(temporary.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (!archive) fail("cannot create the archive");
  std::vector<std::string> contents;  // libzip reads the buffers when it closes the archive
  contents.reserve(arrays.size());
  for (const NamedArray& entry : arrays) {
    const std::string& bytes = contents.emplace_back(format_npy(entry.array));
    zip_source_t* source = zip_source_buffer(archive.get(), bytes.data(), bytes.size(), 0);
    const auto index = zip_file_add(archive.get(), (entry.name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) fail(fmt::format("cannot add {}: {}", entry.name, zip_strerror(archive.get())));
    const auto at = static_cast<zip_uint64_t>(index);
    // A fixed date (the format's epoch), so that equal arrays give equal bytes.
    if (zip_set_file_compression(archive.get(), at, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive.get(), at, 0, 0x21, 0) != 0) {
      fail(fmt::format("cannot add {}: {}", entry.name, zip_strerror(archive.get())));
    }
  }
  if (zip_close(archive.get()) != 0) fail(fmt::format("cannot write: {}", zip_strerror(archive.get())));
  (void)archive.release();
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) fail("cannot rename: " + error.message());
}

std::vector<NamedArray> read_npz(const std::filesystem::path& path) {
  std::error_code unreadable;
  std::uintmax_t left = std::filesystem::file_size(path, unreadable);
  if (unreadable) left = 0;
  int code = 0;
  const Zip archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive) {
    throw Error(ErrorKind::bad_file,
                {.where = path.string(), .found = "not a zip archive", .expected = "an .npz file"});
  }
  std::vector<NamedArray> arrays;
  const auto count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t info{};
    constexpr zip_uint64_t kNeeded =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(archive.get(), static_cast<zip_uint64_t>(i), 0, &info) != 0 ||
        (info.valid & kNeeded) != kNeeded) {
      throw Error(ErrorKind::bad_file, {.where = path.string(), .found = "an unreadable entry"});
    }
    std::string name = info.name;
    const std::string where = path.string() + ": " + name;
    if (info.comp_method != ZIP_CM_STORE || info.comp_size != info.size) {
      bad(where, "a compressed entry", "an entry stored uncompressed, as strata writes it");
    }
    // The directory may claim any size, and let entries share their bytes: together they fit in the file.
    if (info.size > left) {
      bad(where, fmt::format("{} bytes, {} left of the file", info.size, left), "entries within the file");
    }
    left -= info.size;
    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
        zip_fopen_index(archive.get(), static_cast<zip_uint64_t>(i), 0), &zip_fclose);
    std::string bytes(info.size, '\0');
    if (!file ||
        zip_fread(file.get(), bytes.data(), bytes.size()) != static_cast<zip_int64_t>(bytes.size())) {
      bad(where, "an unreadable entry", "an .npy array");
    }
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    arrays.push_back({std::move(name), parse_npy(bytes, where)});
  }
  return arrays;
}

}  // namespace strata
