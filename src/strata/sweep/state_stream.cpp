#include "strata/sweep/state_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "strata/base/error.h"
#include "strata/base/parallel.h"
#include "strata/model/block.h"
#include "strata/model/head.h"
#include "strata/sweep/block_stream.h"
#include "strata/sweep/clean_sweep.h"
#include "strata/sweep/scratch.h"

namespace strata {
namespace {

// A file without a name: it is gone when the process is, however it ends.
class ResidualFile {
 public:
  explicit ResidualFile(const std::filesystem::path& directory) : where_(directory.string()) {
    std::string name = (directory / "residual-XXXXXX").string();
    fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd_ < 0 || ::unlink(name.c_str()) != 0) fail("create a temporary file");
  }
  ~ResidualFile() { ::close(fd_); }
  ResidualFile(const ResidualFile&) = delete;
  ResidualFile& operator=(const ResidualFile&) = delete;

  void write(std::uint64_t offset, std::span<const float> values) const {
    auto bytes = std::as_bytes(values);
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) fail("write the temporary file");
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
  }
  void read(std::uint64_t offset, std::span<float> values) const {
    auto bytes = std::as_writable_bytes(values);
    while (!bytes.empty()) {
      const ssize_t got = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) fail("read the temporary file");
      bytes = bytes.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
  }

 private:
  [[noreturn]] void fail(const char* step) const {
    throw Error(ErrorKind::run_failed,
                {.where = where_, .found = fmt::format("cannot {}: {}", step, std::strerror(errno))});
  }
  std::string where_;
  int fd_;
};

struct StreamScratch {
  BlockScratch block;
  std::vector<float> h, keep;
  std::vector<double> sums, summary;
};

// One window through one block in place, with the attention summary of its queries in scratch.summary: NaN
// where the block has no attention.
void step_with_attention(const BlockWeights& weights, const ModelConfig& config, const RopeTable& rope,
                         std::size_t tokens, StreamScratch& scratch) {
  if (weights.block.mixer != Mixer::attention) {
    forward_block(weights, rope, scratch.h.data(), scratch.h.data(), static_cast<std::int64_t>(tokens),
                  scratch.block, nullptr);
    scratch.summary.assign(kAttentionColumns * tokens, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  scratch.keep.assign(tokens, 1.0f);
  scratch.keep[0] = 0.0f;
  scratch.sums.assign(kAttentionColumns * tokens, 0.0);
  const auto part = [&](std::size_t i) { return std::span(scratch.sums).subspan(i * tokens, tokens); };
  const AttentionSums sums{.keep = scratch.keep,
                           .distance_all = part(0),
                           .entropy_all = part(1),
                           .distance_reduced = part(2),
                           .entropy_reduced = part(3)};
  forward_block(weights, rope, scratch.h.data(), scratch.h.data(), static_cast<std::int64_t>(tokens),
                scratch.block, &sums);
  scratch.summary.resize(scratch.sums.size());
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t c = 0; c < kAttentionColumns; ++c)
      scratch.summary[t * kAttentionColumns + c] = part(c)[t] / config.heads;
  }
}

std::vector<std::uint64_t> offsets_of(const std::vector<std::vector<std::int32_t>>& windows, int hidden) {
  std::vector<std::uint64_t> offsets{0};
  for (const auto& ids : windows)
    offsets.push_back(offsets.back() + ids.size() * static_cast<std::uint64_t>(hidden) * sizeof(float));
  return offsets;
}

std::size_t longest_of(const std::vector<std::vector<std::int32_t>>& windows) {
  std::size_t longest = 0;
  for (const auto& ids : windows) longest = std::max(longest, ids.size());
  return longest;
}

// State `first_state` of every window: from the embedding, or from what the caller kept of it.
void show_first(const Checkpoint& checkpoint, const std::vector<std::vector<std::int32_t>>& windows,
                const StateStreamOptions& options, const StateStreamObserver& observer,
                const ResidualFile& file, const std::vector<std::uint64_t>& offsets) {
  const auto hidden = static_cast<std::size_t>(checkpoint.config().hidden);
  Embedding embedding;
  if (options.first_state == 0) embedding = load_embedding(checkpoint);
  observer.begin_state(options.first_state);
  parallel_for(windows.size(), options.threads, [&](std::size_t w) {
    std::vector<float> h(windows[w].size() * hidden);
    if (options.first_state == 0) {
      embed(embedding, windows[w], h.data());
    } else {
      options.load(w, h);
    }
    observer.state(options.first_state, w, h);
    file.write(offsets[w], h);
  });
  observer.end_state(options.first_state);
}

}  // namespace

StateStreamPlan plan_state_stream(const Checkpoint& checkpoint,
                                  const std::vector<std::vector<std::int32_t>>& windows, int threads) {
  const ModelConfig& c = checkpoint.config();
  const auto longest = static_cast<int>(longest_of(windows));
  const std::uint64_t embedding = packed_bytes(ComputeDType::float32, c.vocab, c.hidden);
  const std::uint64_t worker =
      scratch_bytes(c, longest) +
      static_cast<std::uint64_t>(longest) *
          (2 * static_cast<std::uint64_t>(c.hidden) * sizeof(float) + 2 * kAttentionColumns * sizeof(double));
  return {.scratch_bytes = offsets_of(windows, c.hidden).back(),
          .memory_bytes = std::max(embedding, 2 * block_bytes(c)) +
                          static_cast<std::uint64_t>(std::max(1, threads)) * worker};
}

void stream_states(const Checkpoint& checkpoint, const std::vector<std::vector<std::int32_t>>& windows,
                   const StateStreamOptions& options, const StateStreamObserver& observer) {
  const ModelConfig& config = checkpoint.config();
  STRATA_CHECK(0 <= options.first_state && options.first_state <= options.last_state &&
               options.last_state <= config.n_layers);
  std::int64_t tokens = 0;
  for (const auto& ids : windows) tokens += static_cast<std::int64_t>(ids.size());
  const auto offsets = offsets_of(windows, config.hidden);
  const ResidualFile file(options.scratch);
  show_first(checkpoint, windows, options, observer, file, offsets);
  if (options.first_state == options.last_state) return;
  const RopeTable rope = make_rope_table(config, static_cast<int>(longest_of(windows)));
  ScratchPool<StreamScratch> pool;
  BlockStream stream(checkpoint, options.first_state, ComputeDType::float32);
  const int blocks = options.last_state - options.first_state;
  for (int block = options.first_state; block < options.last_state; ++block) {
    report_progress(options.progress, {"states", block - options.first_state, blocks, tokens});
    const BlockWeights weights = stream.next();
    const bool attention =
        std::binary_search(options.attention_blocks.begin(), options.attention_blocks.end(), block);
    observer.begin_state(block + 1);
    parallel_for(windows.size(), options.threads, [&](std::size_t w) {
      auto scratch = pool.lease();
      const std::size_t n = windows[w].size();
      scratch->h.resize(n * static_cast<std::size_t>(config.hidden));
      file.read(offsets[w], scratch->h);
      if (attention) {
        step_with_attention(weights, config, rope, n, *scratch);
        observer.attention(block, w, scratch->summary);
      } else {
        forward_block(weights, rope, scratch->h.data(), scratch->h.data(), static_cast<std::int64_t>(n),
                      scratch->block, nullptr);
      }
      observer.state(block + 1, w, scratch->h);
      file.write(offsets[w], scratch->h);
    });
    observer.end_state(block + 1);
  }
  report_progress(options.progress, {"states", blocks, blocks, 0});
}

}  // namespace strata
