#include "strata/synth/synth.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <span>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/output_directory.h"
#include "strata/base/parallel.h"
#include "strata/synth/layout.h"
#include "strata/synth/weights.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using synth::Layout;
using synth::PlacedTensor;
using synth::WeightFile;

constexpr std::uint64_t kPieceBytes = std::uint64_t{4} << 20;
constexpr const char* kConfig = "config.json";
constexpr std::size_t kMaxTokenizerBytes = std::size_t{1} << 28;

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw Error(ErrorKind::run_failed, {.where = path.string(), .found = what});
}

// A file being written at several places at once.
class OutputFile {
 public:
  explicit OutputFile(fs::path path)
      : path_(std::move(path)), fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail(path_, fmt::format("cannot create: {}", std::strerror(errno)));
    (void)::flock(fd_, LOCK_EX | LOCK_NB);  // says that this process lives
  }
  ~OutputFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OutputFile(OutputFile&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  OutputFile& operator=(OutputFile&&) = delete;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, std::size_t size, std::uint64_t offset) const {
    const auto* from = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t put = ::pwrite(fd_, from, size, static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) fail(path_, fmt::format("cannot write: {}", std::strerror(errno)));
      from += put;
      size -= static_cast<std::size_t>(put);
      offset += static_cast<std::uint64_t>(put);
    }
  }
  // Room that runs out only when the kernel writes back shows here.
  void finish(std::uint64_t size_bytes) const {
    if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0 || ::fsync(fd_) != 0)
      fail(path_, fmt::format("cannot write: {}", std::strerror(errno)));
  }

 private:
  fs::path path_;
  int fd_;
};

// Some rows of one tensor: the unit of work.
struct Piece {
  const PlacedTensor* tensor = nullptr;
  std::size_t file = 0;
  std::uint64_t begin = 0, end = 0;  // rows
};

std::vector<Piece> cut(const Layout& layout) {
  std::vector<Piece> pieces;
  for (std::size_t file = 0; file < layout.files.size(); ++file) {
    for (const PlacedTensor& t : layout.files[file].tensors) {
      const std::uint64_t row_bytes = t.size_bytes / t.rows();
      const std::uint64_t step = std::max<std::uint64_t>(1, kPieceBytes / row_bytes);
      for (std::uint64_t row = 0; row < t.rows(); row += step)
        pieces.push_back({&t, file, row, std::min(row + step, t.rows())});
    }
  }
  return pieces;
}

synth::Distribution distribution_of_tensor(const PlacedTensor& t, const SynthOptions& options) {
  synth::Distribution distribution = synth::distribution_of(*t.rule, options.config);
  if (options.scales.empty() || t.rule->scope == Scope::model) return distribution;
  const SynthScale& scale = options.scales.at(static_cast<std::size_t>(t.layer));
  if (t.rule->role == Role::query) distribution.scale *= scale.query;
  if (synth::writes_to_stream(t.rule->role)) distribution.scale *= scale.write;
  return distribution;
}

std::vector<std::byte> make_piece(const Piece& piece, const SynthOptions& options) {
  const PlacedTensor& t = *piece.tensor;
  if (!t.values.empty()) {
    const auto bytes = std::as_bytes(std::span(t.values));
    return {bytes.begin(), bytes.end()};
  }
  const synth::RowWriter writer(t.type, distribution_of_tensor(t, options),
                                synth::tensor_key(options.seed, *t.rule, t.layer), t.columns());
  std::vector<std::byte> bytes((piece.end - piece.begin) * writer.row_bytes());
  std::vector<std::uint16_t> bits;
  std::vector<float> values;
  for (std::uint64_t row = piece.begin; row < piece.end; ++row) {
    writer.write(static_cast<std::uint32_t>(t.source_row(row)),
                 bytes.data() + (row - piece.begin) * writer.row_bytes(), bits, values);
  }
  return bytes;
}

void write_weights(const Layout& layout, const SynthOptions& options, const fs::path& target) {
  std::vector<OutputFile> files;
  for (const WeightFile& file : layout.files) {
    files.emplace_back(file.name.empty() ? target : target / file.name);
    files.back().write(file.header.data(), file.header.size(), 0);
  }
  const auto pieces = cut(layout);
  std::atomic<std::uint64_t> written{0};
  parallel_for(pieces.size(), options.threads, [&](std::size_t i) {
    const Piece& piece = pieces[i];
    const auto bytes = make_piece(piece, options);
    const std::uint64_t row_bytes = piece.tensor->size_bytes / piece.tensor->rows();
    files[piece.file].write(bytes.data(), bytes.size(), piece.tensor->offset_bytes + piece.begin * row_bytes);
    const std::uint64_t done = written += bytes.size();
    if (options.progress && !options.progress(done))
      throw Error(ErrorKind::interrupted,
                  {.where = target.string(), .found = "interrupted; nothing is left of it"});
  });
  for (std::size_t i = 0; i < files.size(); ++i) files[i].finish(layout.files[i].size_bytes);
}

void check_absent(const fs::path& path) {
  if (!fs::exists(fs::symlink_status(path))) return;
  throw Error(ErrorKind::usage, {.where = path.string(),
                                 .found = "already there",
                                 .expected = "a new file",
                                 .hint = "nothing is ever overwritten"});
}

void check_room(const fs::path& path, std::uint64_t needed) {
  const std::uint64_t room = free_disk_bytes(path);
  if (needed <= room) return;
  throw Error(ErrorKind::run_failed,
              {.where = path.string(),
               .found = fmt::format("{:.1f} GiB free", static_cast<double>(room) / 1073741824.0),
               .expected = fmt::format("{:.1f} GiB", static_cast<double>(needed) / 1073741824.0)});
}

// Directories of a path that had to be made; those that stay empty are removed again.
class MadeParents {
 public:
  explicit MadeParents(const fs::path& path) {
    std::error_code error;
    for (fs::path at = path.parent_path(); !at.empty() && !fs::exists(at, error); at = at.parent_path())
      made_.push_back(at);
    if (!made_.empty()) fs::create_directories(made_.front(), error);
    if (error) fail(path, "cannot create: " + error.message());
  }
  ~MadeParents() {
    for (const fs::path& directory : made_) (void)::rmdir(directory.c_str());
  }
  MadeParents(const MadeParents&) = delete;
  MadeParents& operator=(const MadeParents&) = delete;

 private:
  std::vector<fs::path> made_;  // innermost first
};

// What a killed process has left of the same file: its name, the beginning of a GGUF, and no process that
// holds it.
void remove_abandoned(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code ignored;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (is_temporary_name(entry.path().filename().string(), path.filename().string()) &&
        fs::is_regular_file(entry.symlink_status(ignored)))
      left.push_back(entry.path());
  }
  for (const fs::path& file : left) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char magic[4] = {};
    const ssize_t got = fd < 0 ? -1 : ::read(fd, magic, sizeof(magic));
    const bool ours = got == 0 || (got == 4 && std::memcmp(magic, "GGUF", 4) == 0);
    if (ours && ::flock(fd, LOCK_EX | LOCK_NB) == 0) fs::remove(file, ignored);
    if (fd >= 0) ::close(fd);
  }
}

void write_gguf(const Layout& layout, const SynthOptions& options, const fs::path& path) {
  const MadeParents parents(path);
  const fs::path temporary = temporary_name(path);
  struct Guard {
    const fs::path& path;
    ~Guard() { (void)::unlink(path.c_str()); }
  } const guard{temporary};
  write_weights(layout, options, temporary);
  // Never over what has come there meanwhile, where the file system can tell.
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) check_absent(path);
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      fail(path, fmt::format("cannot rename: {}", std::strerror(errno)));
  }
  sync_directory(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

void write_directory(const Layout& layout, const SynthOptions& options, const fs::path& path) {
  OutputDirectory output(path, OutputKind::checkpoint);
  remove_checkpoint_files(path);  // of a process that was killed
  try {
    write_weights(layout, options, path);
    // config.json comes last: without it nothing takes the directory for a model.
    for (auto document = layout.documents.rbegin(); document != layout.documents.rend(); ++document) {
      if (document->first != kConfig) write_file_atomic(path / document->first, document->second);
    }
    sync_directory(path);
    for (const auto& [name, content] : layout.documents) {
      if (name == kConfig) write_file_atomic(path / name, content);
    }
    sync_directory(path);
  } catch (...) {
    remove_checkpoint_files(path);
    throw;
  }
  output.finish();
}

// "models/llama/" is models/llama.
fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

const char* to_string(SynthType type) {
  return synth::encoding(type).name;
}

std::uint64_t synthetic_bytes(const SynthOptions& options) {
  return synth::plan_layout(options).size_bytes();
}

void write_synthetic(const SynthOptions& options, const fs::path& asked) {
  Layout layout = synth::plan_layout(options);
  const bool directory = options.format == ModelFormat::safetensors;
  const fs::path path = without_slash(asked);
  if (directory) {
    check_output_directory(path, OutputKind::checkpoint);
  } else {
    remove_abandoned(path);
    check_absent(path);
  }
  if (!options.tokenizer.empty())
    layout.documents.emplace_back("tokenizer.json", read_file(options.tokenizer, kMaxTokenizerBytes));
  check_room(path, layout.size_bytes());
  directory ? write_directory(layout, options, path) : write_gguf(layout, options, path);
}

}  // namespace strata
