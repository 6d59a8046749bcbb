#include "strata/synth/synth.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/file.h"
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
  if (options.scales.empty() || !t.rule->per_block) return distribution;
  const SynthScale& scale = options.scales.at(static_cast<std::size_t>(t.layer));
  if (t.rule->role == Role::query) distribution.scale *= scale.query;
  if (t.rule->role == Role::attention_output || t.rule->role == Role::down) distribution.scale *= scale.write;
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

void check_absent(const fs::path& path, bool directory) {
  if (!fs::exists(fs::symlink_status(path))) return;
  if (directory && fs::is_directory(path) && fs::is_empty(path)) return;
  throw Error(ErrorKind::usage, {.where = path.string(),
                                 .found = "already there",
                                 .expected = directory ? "a new or empty directory" : "a new file",
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

// Removes what was written so far unless it became the checkpoint.
class TemporaryOutput {
 public:
  explicit TemporaryOutput(const fs::path& path) : path_(path.string() + fmt::format(".tmp{}", ::getpid())) {}
  ~TemporaryOutput() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  TemporaryOutput(const TemporaryOutput&) = delete;
  TemporaryOutput& operator=(const TemporaryOutput&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }
  void become(const fs::path& path) {
    std::error_code error;
    fs::rename(path_, path, error);
    if (error) fail(path, "cannot rename: " + error.message());
    path_.clear();
  }

 private:
  fs::path path_;
};

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
  check_absent(path, directory);
  if (!options.tokenizer.empty())
    layout.documents.emplace_back("tokenizer.json", read_file(options.tokenizer, kMaxTokenizerBytes));
  check_room(path, layout.size_bytes());
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  TemporaryOutput temporary(path);
  if (directory) fs::create_directory(temporary.path(), error);
  if (error) fail(path, "cannot create: " + error.message());
  for (const auto& [name, content] : layout.documents) write_file_atomic(temporary.path() / name, content);
  write_weights(layout, options, temporary.path());
  temporary.become(path);
}

}  // namespace strata
