#include "strata/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <optional>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/checkpoint/decode_tensor.h"
#include "strata/checkpoint/gguf_files.h"
#include "strata/checkpoint/inventory.h"
#include "strata/checkpoint/shards.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 24;

void check_config(const fs::path& directory) {
  std::error_code unreadable;  // a path that cannot be looked up is as good as absent
  if (fs::exists(directory / "config.json", unreadable)) return;
  throw Error(ErrorKind::bad_file, {.where = (directory / "config.json").string(),
                                    .found = "missing",
                                    .expected = "the model's config.json beside its weights"});
}

std::string digest_of(std::span<const std::byte> bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.hex();
}

}  // namespace

const char* to_string(DigestKind kind) {
  return kind == DigestKind::hub_blob ? "hub blob" : "tensors";
}

struct Checkpoint::Impl {
  ModelConfig config;
  ModelLocation location;
  std::optional<std::string> hub_digest;  // known without reading a weight
  Shards shards;
  Inventory inventory;
  bool interleaved_qk = false;
  std::atomic<int> threads{1};
  std::atomic<std::uint64_t> bytes_read{0};
  mutable std::mutex mutex;
  std::vector<std::string> sha256;  // per tensor of the inventory; guarded by mutex

  [[nodiscard]] StoredMatrix stored_matrix(const TensorInfo& tensor, Role role) const {
    StoredMatrix stored{.dtype = tensor.dtype, .bytes = shards.bytes(tensor)};
    stored.columns = static_cast<std::size_t>(tensor.shape.back());
    if (tensor.shape.size() == 2) stored.rows = static_cast<std::size_t>(tensor.shape[0]);
    if (interleaved_qk && (role == Role::query || role == Role::key)) {
      stored.interleaved_rows = static_cast<std::size_t>(config.head_dim);
    }
    return stored;
  }

  // They were read with the config.
  void take_rope_factors() {
    for (std::size_t i = 0; i < inventory.tensors.size(); ++i) {
      if (inventory.tensors[i].name != kRopeFactorsName) continue;
      const auto bytes = shards.bytes(inventory.tensors[i]);
      sha256[i] = digest_of(bytes);
      bytes_read += bytes.size();
    }
  }
};

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const fs::path& asked) {
  auto impl = std::make_unique<Impl>();
  impl->location = locate_model(asked.string());
  const fs::path& path = impl->location.path;
  const bool gguf = impl->location.format == ModelFormat::gguf;
  if (gguf) {
    GgufModel model = open_gguf(path);
    impl->config = std::move(model.config);
    impl->shards = std::move(model.shards);
    impl->interleaved_qk = family_of(impl->config).gguf_interleaves_qk;
  } else {
    check_config(path);
    const fs::path config = path / "config.json";
    impl->config = parse_config(read_file(config, kMaxConfigBytes), config.string());
    impl->shards = open_shards(path);
  }
  const TensorNames names = gguf ? TensorNames::gguf : TensorNames::hugging_face;
  impl->inventory = take_inventory(impl->shards, impl->config, names, path);
  impl->sha256.resize(impl->inventory.tensors.size());
  impl->take_rope_factors();
  impl->hub_digest = hub_digest(impl->shards.paths);
  return Checkpoint(std::move(impl));
}

const ModelConfig& Checkpoint::config() const {
  return impl_->config;
}
const ModelLocation& Checkpoint::location() const {
  return impl_->location;
}
const fs::path& Checkpoint::path() const {
  return impl_->location.path;
}
const std::string& Checkpoint::name() const {
  return impl_->location.name;
}
const std::vector<fs::path>& Checkpoint::files() const {
  return impl_->shards.paths;
}
const std::vector<TensorInfo>& Checkpoint::tensors() const {
  return impl_->inventory.tensors;
}

std::uint64_t Checkpoint::weight_bytes() const {
  std::uint64_t total = 0;
  for (const TensorInfo& tensor : tensors()) total += tensor.size_bytes;
  return total;
}

bool Checkpoint::has(Role role) const {
  return find_rule(config(), role) != nullptr;
}

std::vector<std::int64_t> Checkpoint::shape(Role role) const {
  const TensorRule* rule = find_rule(config(), role);
  STRATA_CHECK(rule != nullptr);
  return rule->shape(config());
}

std::size_t Checkpoint::element_count(Role role) const {
  std::size_t count = 1;
  for (const std::int64_t extent : shape(role)) count *= static_cast<std::size_t>(extent);
  return count;
}

void Checkpoint::set_load_threads(int threads) {
  impl_->threads = std::max(1, threads);
}

void Checkpoint::load(Role role, int layer, std::span<float> out) const {
  STRATA_CHECK(out.size() == element_count(role));
  load_into(role, layer, out, {});
}

void Checkpoint::load(Role role, int layer, const RowSink& sink) const {
  load_into(role, layer, {}, sink);
}

// Into `out`, or to `sink` where there is one.
void Checkpoint::load_into(Role role, int layer, std::span<float> out, const RowSink& sink) const {
  const TensorRule* rule = find_rule(config(), role);
  STRATA_CHECK(rule != nullptr);
  STRATA_CHECK(!rule->per_block || (layer >= 0 && layer < config().n_layers));
  const std::size_t index = impl_->inventory.slot.at({role, rule->per_block ? layer : 0});
  const TensorInfo& tensor = tensors()[index];
  const auto bytes = impl_->shards.bytes(tensor);
  const int threads = impl_->threads;
  const bool hashed = [&] {  // or not needed
    const std::lock_guard lock(impl_->mutex);
    return impl_->hub_digest || !impl_->sha256[index].empty();
  }();
  // With threads to spare the digest is taken meanwhile.
  auto sha256 = std::async(threads > 1 ? std::launch::async : std::launch::deferred,
                           [&] { return hashed ? std::string() : digest_of(bytes); });
  const StoredMatrix stored = impl_->stored_matrix(tensor, role);
  const std::size_t at = sink ? decode_tensor(stored, threads, sink) : decode_tensor(stored, threads, out);
  if (at != element_count(role)) {
    std::vector<float> again;
    if (sink) {
      again.resize(element_count(role));
      (void)decode_tensor(stored, threads, std::span(again));
      out = again;
    }
    throw Error(ErrorKind::bad_file,
                {.where = fmt::format("{}: tensor \"{}\"", files()[tensor.file].string(), tensor.name),
                 .found = fmt::format("{} at flat index {}", out[at], at),
                 .expected = "finite weights"});
  }
  if (std::string hex = sha256.get(); !hex.empty()) {
    const std::lock_guard lock(impl_->mutex);
    impl_->sha256[index] = std::move(hex);
  }
  impl_->shards.maps[tensor.file].release(bytes);
  impl_->bytes_read += bytes.size();
}

DigestKind Checkpoint::digest_kind() const {
  return impl_->hub_digest ? DigestKind::hub_blob : DigestKind::tensors;
}

std::string Checkpoint::digest() const {
  if (impl_->hub_digest) return *impl_->hub_digest;
  const std::lock_guard lock(impl_->mutex);
  Sha256 all;
  for (std::size_t i = 0; i < tensors().size(); ++i) {
    if (impl_->sha256[i].empty()) return {};
    all.update(fmt::format("{} {}\n", tensors()[i].name, impl_->sha256[i]));
  }
  return all.hex();
}

std::uint64_t Checkpoint::bytes_read() const {
  return impl_->bytes_read;
}

}  // namespace strata
