#include "strata/base/npy.h"

#include <fmt/format.h>
#include <minizip/unzip.h>
#include <minizip/zip.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <set>

#include "strata/base/checked.h"
#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/zip_file.h"

namespace strata {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
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

// Larger archives need the zip64 fields, which minizip 1.1 writes but does not read where long has 64 bits.
constexpr std::uint64_t kLargestArchive = 0xfffffffe;
constexpr uLong kFirstDate = 0x210000;        // 1980-01-01 00:00, the first date of the format
constexpr uLong kMadeOnUnix = (3 << 8) | 63;  // the system, and version 6.3 of the format
constexpr uLong kRegularFile = 0100666UL << 16;
constexpr uLong kUtf8Name = 1 << 11;
constexpr uLong kEncrypted = 1;

struct ZipCloser {
  void operator()(void* archive) const { zipClose(archive, nullptr); }
};
using ZipWriter = std::unique_ptr<void, ZipCloser>;

struct UnzipCloser {
  void operator()(void* archive) const { unzClose(archive); }
};
using ZipReader = std::unique_ptr<void, UnzipCloser>;

// False when the disk is full, or for another reason of the system's.
bool write_entry(void* archive, const std::string& name, std::string_view bytes) {
  zip_fileinfo info{};
  info.dosDate = kFirstDate;
  info.external_fa = kRegularFile;
  const bool ascii = std::all_of(name.begin(), name.end(), [](char c) { return (c & 0x80) == 0; });
  if (zipOpenNewFileInZip4_64(archive, name.c_str(), &info, nullptr, 0, nullptr, 0, nullptr, /*method=*/0,
                              /*level=*/0, /*raw=*/0, -MAX_WBITS, DEF_MEM_LEVEL, Z_DEFAULT_STRATEGY, nullptr,
                              0, kMadeOnUnix, ascii ? 0 : kUtf8Name,
                              /*zip64=*/0) != ZIP_OK)
    return false;
  if (zipWriteInFileInZip(archive, bytes.data(), static_cast<unsigned>(bytes.size())) != ZIP_OK) return false;
  return zipCloseFileInZip(archive) == ZIP_OK;
}

// Whether the file ends with a whole end record. minizip reads what a file cut short lacks of it as 0. strata
// writes no comment, which would come after it.
bool ends_with_end_record(const std::filesystem::path& path) {
  constexpr std::string_view kEndRecord("PK\x05\x06", 4);
  constexpr std::streamoff kEndRecordBytes = 22;
  std::ifstream file(path, std::ios::binary);
  std::array<char, kEndRecord.size()> magic{};
  return file.seekg(-kEndRecordBytes, std::ios::end) && file.read(magic.data(), magic.size()) &&
         std::string_view(magic.data(), magic.size()) == kEndRecord;
}

// The bytes of the current entry, or nothing where they end early or do not match their checksum.
std::optional<std::string> read_entry(void* archive, std::size_t size_bytes) {
  if (unzOpenCurrentFile(archive) != UNZ_OK) return std::nullopt;
  std::string bytes(size_bytes, '\0');
  std::size_t done = 0;
  while (done < size_bytes) {
    constexpr std::size_t kAtOnce = 1 << 30;  // the answer is an int
    const std::size_t wanted = std::min(size_bytes - done, kAtOnce);
    const int got = unzReadCurrentFile(archive, bytes.data() + done, static_cast<unsigned>(wanted));
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  const bool checksum_matches = unzCloseCurrentFile(archive) == UNZ_OK;
  if (done != size_bytes || !checksum_matches) return std::nullopt;
  return bytes;
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

NpyHeader parse_npy_header(std::string_view bytes, const std::string& where) {
  if (bytes.size() < 10 || bytes.substr(0, 6) != kNpyMagic) bad(where, "no .npy magic", "\\x93NUMPY");
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
  };
  const std::size_t major = byte(6);  // 3 is 2 with names in UTF-8
  if (major < 1 || major > 3) bad(where, fmt::format(".npy version {}", major), "version 1, 2 or 3");
  const std::size_t prefix = major == 1 ? 10 : 12;
  if (bytes.size() < prefix) bad(where, "a truncated header", ".npy header");
  std::size_t length = byte(8) | (byte(9) << 8);
  if (major > 1) length |= (byte(10) << 16) | (byte(11) << 24);
  if (length > bytes.size() - prefix) bad(where, "a header longer than the file", ".npy header");
  const std::string_view text = bytes.substr(prefix, length);

  NpyHeader header{.data_begin = prefix + length};
  const auto order = value_of(text, "fortran_order");
  const auto shape = value_of(text, "shape");
  const auto descr = value_of(text, "descr");
  if (!order || !shape || !descr) bad(where, "a header without order, shape or descr", ".npy header");
  header.fortran_order = !order->starts_with("False");
  if (header.fortran_order && !order->starts_with("True"))
    bad(where, "a header without an order", "'fortran_order': False");
  header.shape = parse_shape(*shape, where);
  header.count = 1;
  for (const std::size_t extent : header.shape) {
    const auto product = checked_mul(header.count, extent);
    if (!product) bad(where, "a shape that overflows", "a shape that fits the file");
    header.count = *product;
  }
  const std::size_t begin = descr->starts_with('\'') ? 1 : 0;
  const std::size_t end = begin == 1 ? descr->find('\'', 1) : descr->find(',');
  header.descr = descr->substr(begin, std::min<std::size_t>(std::min(end, descr->size()) - begin, 20));
  return header;
}

NpyArray parse_npy(std::string_view bytes, const std::string& where) {
  NpyHeader header = parse_npy_header(bytes, where);
  if (header.fortran_order) bad(where, "Fortran order", "'fortran_order': False");
  const std::string_view body = bytes.substr(header.data_begin);
  NpyArray array{.shape = std::move(header.shape), .data = {}};
  if (header.descr == "<f4") {
    array.data = copy_values<float>(body, header.count, where);
  } else if (header.descr == "<f8") {
    array.data = copy_values<double>(body, header.count, where);
  } else if (header.descr == "<i4") {
    array.data = copy_values<std::int32_t>(body, header.count, where);
  } else if (header.descr == "<i8") {
    array.data = copy_values<std::int64_t>(body, header.count, where);
  } else {
    bad(where, fmt::format("dtype {}", header.descr), "<f4, <f8, <i4 or <i8");
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
  const std::size_t unpadded = kNpyMagic.size() + 4 + header.size() + 1;
  header += std::string((kAlignment - unpadded % kAlignment) % kAlignment, ' ') + '\n';
  std::string out(kNpyMagic);
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
  const std::filesystem::path temporary = temporary_name(path);
  ZipFile file(temporary);
  zlib_filefunc64_def functions = file.functions();
  ZipWriter archive(
      file.failed() ? nullptr : zipOpen2_64(temporary.c_str(), APPEND_STATUS_CREATE, nullptr, &functions));
  const auto fail = [&](std::string what) {
    archive.reset();
    if (file.failed()) what += fmt::format(": {}", std::strerror(file.error()));
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw Error(ErrorKind::run_failed,
                {.where = path.string(), .found = what, .hint = "what was there before is unchanged"});
  };
  if (!archive) fail("cannot create the archive");
  constexpr std::uint64_t kRecordBytes = 128;  // more than an entry's two headers, without its name
  std::uint64_t size_bytes = 0;
  std::set<std::string_view> names;
  for (const NamedArray& entry : arrays) {
    if (!names.insert(entry.name).second) fail(fmt::format("cannot add {}: it is there already", entry.name));
    const std::string bytes = format_npy(entry.array);
    size_bytes += bytes.size() + 2 * entry.name.size() + kRecordBytes;
    if (size_bytes > kLargestArchive) fail("arrays of 4 GiB and more together do not fit in one .npz");
    if (!write_entry(archive.get(), entry.name + ".npy", bytes))
      fail(fmt::format("cannot write {}", entry.name));
  }
  if (zipClose(archive.release(), nullptr) != ZIP_OK || !file.sync()) fail("cannot write the archive");
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) fail("cannot rename: " + error.message());
}

std::vector<NamedArray> read_npz(const std::filesystem::path& path) {
  std::error_code unreadable;
  std::uintmax_t left = std::filesystem::file_size(path, unreadable);
  if (unreadable) left = 0;
  if (left > kLargestArchive) bad(path.string(), "4 GiB or more", "a smaller .npz file");
  const ZipReader archive(unzOpen64(path.c_str()));
  unz_global_info64 directory{};
  if (!archive || !ends_with_end_record(path) || unzGetGlobalInfo64(archive.get(), &directory) != UNZ_OK) {
    throw Error(
        ErrorKind::bad_file,
        {.where = path.string(), .found = "not a zip archive, or one cut short", .expected = "an .npz file"});
  }
  std::vector<NamedArray> arrays;
  std::set<std::string> names;
  for (ZPOS64_T i = 0; i < directory.number_entry; ++i) {
    unz_file_info64 info{};
    const int found = i == 0 ? unzGoToFirstFile(archive.get()) : unzGoToNextFile(archive.get());
    if (found != UNZ_OK ||
        unzGetCurrentFileInfo64(archive.get(), &info, nullptr, 0, nullptr, 0, nullptr, 0) != UNZ_OK) {
      throw Error(ErrorKind::bad_file, {.where = path.string(), .found = "an unreadable entry"});
    }
    std::string name(info.size_filename, '\0');
    if (unzGetCurrentFileInfo64(archive.get(), &info, name.data(), info.size_filename, nullptr, 0, nullptr,
                                0) != UNZ_OK) {
      throw Error(ErrorKind::bad_file, {.where = path.string(), .found = "an entry without a name"});
    }
    const std::string where = path.string() + ": " + name;
    if (!names.insert(name).second) bad(where, "a second entry of that name", "one entry for each array");
    if (info.compression_method != 0 || info.compressed_size != info.uncompressed_size ||
        (info.flag & kEncrypted) != 0) {
      bad(where, "a compressed or encrypted entry", "an entry stored as it is, as strata writes it");
    }
    // The directory may claim any size, and let entries share their bytes: together they fit in the file.
    if (info.uncompressed_size > left) {
      bad(where, fmt::format("{} bytes, {} left of the file", info.uncompressed_size, left),
          "entries within the file");
    }
    left -= info.uncompressed_size;
    const auto bytes = read_entry(archive.get(), info.uncompressed_size);
    if (!bytes) bad(where, "an entry that ends early or does not match its checksum", "an .npy array");
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    arrays.push_back({std::move(name), parse_npy(*bytes, where)});
  }
  return arrays;
}

}  // namespace strata
