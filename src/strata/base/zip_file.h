// The file under a zip archive that is being written: our own descriptor, so that an error of any write is
// seen and the bytes can be brought to the disk. For base/npy only.
#pragma once

#include <minizip/ioapi.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace strata {

class ZipFile {
 public:
  /// Creates or empties `path`; failed() says whether that worked.
  explicit ZipFile(const std::filesystem::path& path);
  ~ZipFile();
  ZipFile(const ZipFile&) = delete;
  ZipFile& operator=(const ZipFile&) = delete;

  /// For zipOpen2_64. They refer to this object.
  [[nodiscard]] zlib_filefunc64_def functions();
  [[nodiscard]] bool failed() const { return error_ != 0; }
  [[nodiscard]] int error() const { return error_; }  ///< errno of the first failure
  /// After the archive is closed: everything is on the disk. False on an error.
  [[nodiscard]] bool sync();

 private:
  static uLong write(void* self, void* stream, const void* data, uLong size);
  static long seek(void* self, void* stream, ZPOS64_T offset, int origin);
  void flush();

  int fd_ = -1, error_ = 0;
  std::uint64_t at_ = 0, end_ = 0;  // where the next byte goes; bytes of the file
  std::uint64_t begin_ = 0;         // where the buffer goes
  std::string buffer_;
};

}  // namespace strata
