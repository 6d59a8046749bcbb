#include "strata/corpus/text_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "strata/base/error.h"
#include "strata/corpus/bad_file.h"

namespace strata {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 17;
constexpr std::string_view kGzipMagic = "\x1f\x8b\x08", kZstdMagic = "\x28\xb5\x2f\xfd";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

// Bytes in order; 0 at the end.
class TextInput::Source {
 public:
  virtual ~Source() = default;
  virtual std::size_t read(char* into, std::size_t size) = 0;
};

class TextInput::Plain : public Source {
 public:
  Plain(int fd, bool owned, std::string where) : fd_(fd), owned_(owned), where_(std::move(where)) {}
  Plain(std::string bytes) : bytes_(std::move(bytes)) {}
  ~Plain() override {
    if (owned_) ::close(fd_);
  }
  std::size_t read(char* into, std::size_t size) override {
    const std::size_t held = std::min(size, bytes_.size() - at_);
    if (held > 0) {
      std::memcpy(into, bytes_.data() + at_, held);
      at_ += held;
      return held;
    }
    if (fd_ < 0) return 0;
    while (true) {
      const ssize_t got = ::read(fd_, into, size);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) bad(where_, std::string("cannot read: ") + std::strerror(errno));
    }
  }
  // Puts bytes back in front of what comes.
  void unread(std::string bytes) {
    bytes_ = std::move(bytes);
    at_ = 0;
  }

 private:
  int fd_ = -1;
  bool owned_ = false;
  std::string where_, bytes_;
  std::size_t at_ = 0;
};

// Members one after the other, as gzip -c a b and bgzip write them.
class TextInput::Gzip : public Source {
 public:
  Gzip(std::unique_ptr<Source> from, std::string where)
      : from_(std::move(from)), where_(std::move(where)), in_(kPiece, '\0') {
    STRATA_CHECK(inflateInit2(&z_, 16 + MAX_WBITS) == Z_OK);
  }
  ~Gzip() override { inflateEnd(&z_); }
  std::size_t read(char* into, std::size_t size) override {
    z_.next_out = reinterpret_cast<Bytef*>(into);
    z_.avail_out = static_cast<uInt>(size);
    while (z_.avail_out == size && !done_) step();
    return size - z_.avail_out;
  }

 private:
  // False at the end of the file.
  bool more() {
    if (z_.avail_in > 0) return true;
    const std::size_t got = from_->read(in_.data(), in_.size());
    z_.next_in = reinterpret_cast<Bytef*>(in_.data());
    z_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }
  void step() {
    if (!more()) {
      if (!between_) bad(where_, "gzip data that end early", "a whole file", "copy or download it again");
      done_ = true;
      return;
    }
    if (between_ && first_done_ && *z_.next_in == 0) {  // padding behind the last member
      ++z_.next_in;
      --z_.avail_in;
      return;
    }
    between_ = false;
    const int code = inflate(&z_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      between_ = first_done_ = true;
      (void)inflateReset(&z_);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      bad(where_, fmt::format("damaged gzip data ({})", z_.msg == nullptr ? "zlib" : z_.msg), "a sound file",
          "copy or download it again");
    }
  }
  std::unique_ptr<Source> from_;
  std::string where_, in_;
  z_stream z_{};
  bool between_ = true, first_done_ = false, done_ = false;
};

class TextInput::Zstd : public Source {
 public:
  Zstd(std::unique_ptr<Source> from, std::string where)
      : from_(std::move(from)), where_(std::move(where)), stream_(ZSTD_createDStream()), in_(kPiece, '\0') {
    STRATA_CHECK(stream_ != nullptr);
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }
  std::size_t read(char* into, std::size_t size) override {
    ZSTD_outBuffer out{into, size, 0};
    while (out.pos == 0) {
      if (have_.pos == have_.size) {
        have_ = {in_.data(), from_->read(in_.data(), in_.size()), 0};
        if (have_.size == 0) {
          if (open_)
            bad(where_, "Zstandard data that end early", "a whole file", "copy or download it again");
          return 0;
        }
      }
      const std::size_t code = ZSTD_decompressStream(stream_, &out, &have_);
      if (ZSTD_isError(code) != 0) {
        bad(where_, fmt::format("Zstandard data that cannot be read ({})", ZSTD_getErrorName(code)),
            "a sound file with a window of at most 128 MiB", "zstd -dc FILE | strata ... -f -");
      }
      open_ = code != 0;
    }
    return out.pos;
  }

 private:
  std::unique_ptr<Source> from_;
  std::string where_;
  ZSTD_DStream* stream_;
  std::string in_;
  ZSTD_inBuffer have_{nullptr, 0, 0};
  bool open_ = false;
};

TextInput::TextInput(const std::filesystem::path& path) : where_(path.string()) {
  const bool standard = path == "-" || path == "/dev/stdin" || path == "/dev/fd/0";
  name_ = standard ? "stdin" : path.filename().string();
  if (standard) where_ = "standard input";
  const int fd = standard ? 0 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) {
    const int error = errno;
    throw Error(error == ENOENT ? ErrorKind::usage : ErrorKind::bad_file,
                {.where = where_,
                 .found = std::string("cannot open: ") + std::strerror(error),
                 .expected = "a readable file"});
  }
  auto raw = std::make_unique<Plain>(fd, fd != 0, where_);
  struct stat info {};
  const bool known = ::fstat(fd, &info) == 0;
  if (known && S_ISDIR(info.st_mode)) bad(where_, "a directory", "a file");
  if (known && S_ISREG(info.st_mode)) expected_ = static_cast<std::uint64_t>(info.st_size);
  if (known && S_ISFIFO(info.st_mode) && !standard) name_ = "pipe";
  open(std::move(raw));
}

TextInput::TextInput(std::string bytes, const std::string& name) : where_(name), name_(name) {
  open(std::make_unique<Plain>(std::move(bytes)));
}

TextInput::~TextInput() = default;

void TextInput::open(std::unique_ptr<Source> raw) {
  std::string start(8, '\0');
  std::size_t have = 0;
  while (have < start.size()) {  // a pipe gives what it has
    const std::size_t got = raw->read(start.data() + have, start.size() - have);
    if (got == 0) break;
    have += got;
  }
  start.resize(have);
  std::filesystem::path shown(name_);
  std::string extension = lower(shown.extension().string());
  if (extension == ".gz" || extension == ".zst" || extension == ".zstd")
    extension = lower(shown.stem().extension().string());
  extension_ = extension;
  auto* plain = static_cast<Plain*>(raw.get());
  plain->unread(start);
  source_ = std::move(raw);
  if (start.starts_with(kGzipMagic)) source_ = std::make_unique<Gzip>(std::move(source_), where_);
  // A skippable frame may come first: 0x184D2A50 to 0x184D2A5F.
  const bool skippable = start.size() >= 4 && (static_cast<unsigned char>(start[0]) & 0xf0u) == 0x50u &&
                         start.substr(1, 3) == "\x2a\x4d\x18";
  if (start.starts_with(kZstdMagic) || skippable)
    source_ = std::make_unique<Zstd>(std::move(source_), where_);
}

std::string_view TextInput::head() {
  while (waiting_.size() < kHead) {
    const std::size_t before = waiting_.size();
    waiting_.resize(before + kPiece);
    const std::size_t got = source_->read(waiting_.data() + before, kPiece);
    waiting_.resize(before + got);
    if (got == 0) break;
  }
  return std::string_view(waiting_).substr(0, kHead);
}

bool TextInput::read(std::string& into) {
  if (!waiting_.empty()) {
    into += waiting_;
    waiting_ = {};
    return true;
  }
  const std::size_t before = into.size();
  into.resize(before + kPiece);
  const std::size_t got = source_->read(into.data() + before, kPiece);
  into.resize(before + got);
  return got > 0;
}

std::string TextInput::read_all(std::uint64_t limit_bytes) {
  std::string all;
  // A size in the directory entry is a promise at most: /proc says 0, and a file may grow.
  if (expected_ > 0 && expected_ <= limit_bytes) all.reserve(expected_ + kPiece);
  const auto refuse = [&](std::uint64_t bytes) {
    throw Error(ErrorKind::out_of_memory,
                {.where = where_,
                 .found = fmt::format("one text of {} bytes or more", bytes),
                 .expected = fmt::format("at most {} bytes at a time, for the memory there is", limit_bytes),
                 .hint = "cut it into documents (files, JSON lines), or raise --mem-limit"});
  };
  if (expected_ > limit_bytes && dynamic_cast<Plain*>(source_.get()) != nullptr) refuse(expected_);
  while (read(all)) {
    if (all.size() > limit_bytes) refuse(all.size());
  }
  return all;
}

}  // namespace strata
