#include "strata/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <future>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/checkpoint/decode_tensor.h"
#include "strata/checkpoint/gguf_files.h"
#include "strata/checkpoint/inventory.h"
#include "strata/checkpoint/role_values.h"
#include "strata/checkpoint/shards.h"
#include "strata/checkpoint/weight_files.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 24;
constexpr const char* kTextHint = "it holds texts: the model comes first (or with -m), the text with -f";
constexpr std::size_t kPieceBytes = std::size_t{1} << 24;  // of a tensor that are mapped in at once

bool holds_texts(const fs::path& directory) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(directory, unreadable)) {
    const std::string ending = entry.path().extension().string();
    if (ending == ".txt" || ending == ".jsonl" || ending == ".md") return true;
  }
  return false;
}

void check_config(const fs::path& directory) {
  std::error_code unreadable;  // a path that cannot be looked up is as good as absent
  if (fs::exists(directory / "config.json", unreadable)) return;
  refuse_adapter(directory);
  throw Error(ErrorKind::bad_file, {.where = (directory / "config.json").string(),
                                    .found = "missing",
                                    .expected = "the model's config.json beside its weights",
                                    .hint = holds_texts(directory) ? kTextHint : ""});
}

// Whether `bytes` are one block over and over.
bool repeats_block(std::span<const std::byte> bytes, std::span<const std::byte> block) {
  const std::size_t size = block.size();
  if (bytes.size() < size) return bytes.empty();
  return std::memcmp(bytes.data(), block.data(), size) == 0 &&
         std::memcmp(bytes.data(), bytes.data() + size, bytes.size() - size) == 0;
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
  std::vector<std::string> notes;
  std::optional<std::string> hub_digest;  // known without reading a weight
  Shards shards;
  Inventory inventory;
  bool gguf = false, interleaved_qk = false;
  std::atomic<int> threads{1};
  std::vector<std::atomic<std::uint64_t>> bytes_read;  // per tensor of the inventory
  mutable std::mutex mutex;
  std::vector<std::string> sha256;  // per tensor of the inventory; guarded by mutex
  std::vector<char> expected;       // the digest is from another run and not yet compared; likewise
  std::vector<float> constant;  // the only value, NaN where there are several or it was not loaded; likewise

  // Decodes a piece that begins at that row; returns the first value in it that is not finite, or its size.
  using PieceDecoder = std::function<std::size_t(const StoredMatrix& piece, std::size_t first_row)>;
  [[nodiscard]] const std::vector<std::size_t>& holders_of(Role role, int layer) const;
  void load_pieces(std::size_t index, const PieceDecoder& decode);
  void load_tensor(std::size_t index, std::span<const Role> roles, const LoadSink& sink);
  [[noreturn]] void refuse_value(const TensorInfo& tensor, const StoredMatrix& piece, std::size_t first_row,
                                 std::size_t at) const;
  [[nodiscard]] bool needs_digest(std::size_t index) const;
  void take_digest(std::size_t index, std::string hex);
  void look_for_constant(std::size_t index, const StoredMatrix& whole);

  [[nodiscard]] StoredMatrix stored_matrix(const TensorInfo& tensor, Role role) const {
    StoredMatrix stored{.dtype = tensor.dtype, .bytes = shards.bytes(tensor)};
    stored.columns = static_cast<std::size_t>(tensor.shape.back());
    for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i)
      stored.rows *= static_cast<std::size_t>(tensor.shape[i]);
    const bool bias = role == Role::query_bias || role == Role::key_bias;
    if (interleaved_qk && (bias || role == Role::query || role == Role::key)) {
      if (bias) std::swap(stored.rows, stored.columns);  // a row for each value
      stored.interleaved_rows = static_cast<std::size_t>(config.head_dim);
    }
    return stored;
  }

  // They were read with the config.
  void take_rope_factors() {
    for (std::size_t i = 0; i < inventory.tensors.size(); ++i) {
      if (!is_rope_factors(inventory.tensors[i].name)) continue;
      const auto bytes = shards.bytes(inventory.tensors[i]);
      sha256[i] = digest_of(bytes);
      bytes_read[i] += bytes.size();
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
  const bool gguf = impl->gguf = impl->location.format == ModelFormat::gguf;
  if (gguf) {
    GgufModel model = open_gguf(path);
    impl->config = std::move(model.config);
    impl->shards = std::move(model.shards);
    impl->interleaved_qk = family_of(impl->config).gguf_interleaves_qk;
  } else {
    check_config(path);
    const fs::path config = path / "config.json";
    impl->config = parse_config(read_file(config, kMaxConfigBytes), config.string());
    const auto& files = impl->location.files;
    impl->shards = open_shards(path, files.empty() ? fs::path() : files[0]);
    // A file of a base class may hold a head all the same.
    if (impl->shards.tensors.contains("lm_head.weight")) impl->config.has_head = true;
  }
  impl->notes = impl->config.notes;
  if (const std::string note = gguf ? "" : adapter_note(path); !note.empty()) impl->notes.push_back(note);
  const TensorNames names = gguf ? TensorNames::gguf : TensorNames::hugging_face;
  impl->inventory = take_inventory(impl->shards, impl->config, names, path);
  impl->notes.insert(impl->notes.end(), impl->inventory.notes.begin(), impl->inventory.notes.end());
  impl->sha256.resize(impl->inventory.tensors.size());
  impl->expected.resize(impl->inventory.tensors.size(), 0);
  impl->constant.resize(impl->inventory.tensors.size(), std::numeric_limits<float>::quiet_NaN());
  impl->bytes_read = std::vector<std::atomic<std::uint64_t>>(impl->inventory.tensors.size());
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

const std::vector<std::string>& Checkpoint::notes() const {
  return impl_->notes;
}

std::uint64_t Checkpoint::weight_bytes() const {
  std::uint64_t total = 0;
  for (const TensorInfo& tensor : tensors()) total += tensor.size_bytes;
  return total;
}

bool Checkpoint::has(Role role) const {
  return find_rule(config(), role) != nullptr;
}

bool Checkpoint::has(Role role, int layer) const {
  return impl_->inventory.slot.contains({role, layer});
}

std::vector<std::int64_t> Checkpoint::shape(Role role) const {
  const TensorRule* rule = find_rule(config(), role);
  STRATA_CHECK(rule != nullptr);
  auto shape = rule->shape(config());
  if (rule->scope == Scope::expert) shape.insert(shape.begin(), copies_of(*rule, config()));
  return shape;
}

std::size_t Checkpoint::element_count(Role role) const {
  std::size_t count = 1;
  for (const std::int64_t extent : shape(role)) count *= static_cast<std::size_t>(extent);
  return count;
}

std::uint64_t Checkpoint::stored_bytes(Role role) const {
  return tensors()[impl_->holders_of(role, 0).front()].size_bytes;
}

void Checkpoint::set_load_threads(int threads) {
  impl_->threads = std::max(1, threads);
}

const std::vector<std::size_t>& Checkpoint::Impl::holders_of(Role role, int layer) const {
  const TensorRule* rule = find_rule(config, role);
  STRATA_CHECK(rule != nullptr);
  STRATA_CHECK(rule->scope == Scope::model || (layer >= 0 && layer < config.n_layers));
  const auto found = inventory.slot.find({role, rule->scope == Scope::model ? 0 : layer});
  STRATA_CHECK(found != inventory.slot.end());
  return found->second;
}

void Checkpoint::Impl::refuse_value(const TensorInfo& tensor, const StoredMatrix& piece,
                                    std::size_t first_row, std::size_t at) const {
  std::vector<float> values(piece.rows * piece.columns);
  (void)decode_tensor(piece, threads, std::span(values));
  throw Error(ErrorKind::bad_file,
              {.where = fmt::format("{}: tensor \"{}\"", shards.paths[tensor.file].string(), tensor.name),
               .found = fmt::format("{} at flat index {}", values[at], first_row * piece.columns + at),
               .expected = "finite weights"});
}

void Checkpoint::Impl::load_pieces(std::size_t index, const PieceDecoder& decode) {
  const TensorInfo& tensor = inventory.tensors[index];
  const StoredMatrix whole = stored_matrix(tensor, inventory.uses[index].front().role);
  const std::size_t row_bytes = whole.bytes.size() / std::max<std::size_t>(1, whole.rows);
  const std::size_t group = std::max<std::size_t>(1, whole.interleaved_rows);
  const std::size_t piece_rows =
      std::max<std::size_t>(1, kPieceBytes / std::max<std::size_t>(1, row_bytes * group)) * group;
  const MappedFile& map = shards.maps[tensor.file];
  const auto piece_bytes = [&](std::size_t first) {
    if (first >= whole.rows) return std::span<const std::byte>();
    const std::size_t rows = std::min(piece_rows, whole.rows - first);
    return whole.bytes.subspan(first * row_bytes, rows * row_bytes);
  };
  const bool hashed = !needs_digest(index);
  const std::size_t block_bytes = facts(whole.dtype).block_bytes;
  bool repeats = true;
  Sha256 sha;
  for (std::size_t first = 0; first < whole.rows; first += piece_rows) {
    StoredMatrix piece = whole;
    piece.bytes = piece_bytes(first);
    piece.rows = piece.bytes.size() / std::max<std::size_t>(1, row_bytes);
    map.prefetch(piece_bytes(first + piece_rows));
    // With threads to spare the digest is taken meanwhile.
    auto digest = std::async(threads > 1 ? std::launch::async : std::launch::deferred, [&] {
      if (!hashed) sha.update(piece.bytes);
    });
    const std::size_t at = decode(piece, first);
    if (at != piece.rows * piece.columns) refuse_value(tensor, piece, first, at);
    digest.get();
    repeats = repeats && repeats_block(piece.bytes, whole.bytes.first(block_bytes));
    map.release(piece.bytes);
    bytes_read[index] += piece.bytes.size();
  }
  if (!hashed) take_digest(index, sha.hex());
  if (repeats) look_for_constant(index, whole);
}

void Checkpoint::Impl::look_for_constant(std::size_t index, const StoredMatrix& whole) {
  const DTypeFacts& type = facts(whole.dtype);
  std::vector<float> block(type.block_elements);
  convert_to_float32(whole.dtype, whole.bytes.first(type.block_bytes), block);
  const bool equal = std::all_of(block.begin(), block.end(), [&](float x) { return x == block[0]; });
  const std::lock_guard lock(mutex);
  if (equal && whole.rows * whole.columns > 1) constant[index] = block[0];
}

bool Checkpoint::Impl::needs_digest(std::size_t index) const {
  const std::lock_guard lock(mutex);
  return !hub_digest && (sha256[index].empty() || expected[index] != 0);
}

void Checkpoint::Impl::take_digest(std::size_t index, std::string hex) {
  const std::lock_guard lock(mutex);
  if (expected[index] != 0 && sha256[index] != hex) {
    const TensorInfo& tensor = inventory.tensors[index];
    throw Error(ErrorKind::bad_file,
                {.where = fmt::format("{}: tensor \"{}\"", shards.paths[tensor.file].string(), tensor.name),
                 .found = "other weights than when the run began",
                 .hint = "run again without --resume"});
  }
  expected[index] = 0;
  sha256[index] = std::move(hex);
}

void Checkpoint::Impl::load_tensor(std::size_t index, std::span<const Role> roles, const LoadSink& sink) {
  const auto wanted = [&](const TensorUse& use) {
    return std::find(roles.begin(), roles.end(), use.role) != roles.end();
  };
  const StoredForm form{.gguf = gguf, .zero_centred_norms = family_of(config).zero_centred_norms};
  load_pieces(index, [&](const StoredMatrix& piece, std::size_t first_row) {
    const auto show = [&](std::size_t row, std::span<const float> values) {
      for (const TensorUse& use : inventory.uses[index]) {
        if (wanted(use)) show_rows(use, map_of(use.role, form), piece.columns, first_row + row, values, sink);
      }
    };
    const bool by_value = piece.columns == 1 && inventory.tensors[index].shape.size() == 1;
    if (!by_value) return decode_tensor(piece, threads, RowSink(show));
    std::vector<float> vector(piece.rows);  // whose values were interleaved
    const std::size_t at = decode_tensor(piece, threads, std::span(vector));
    if (at == vector.size()) show(0, vector);
    return at;
  });
}

void Checkpoint::load(std::span<const Role> roles, int layer, const LoadSink& sink) const {
  std::set<std::size_t> holders;  // in the order of the files' names, each once
  for (const Role role : roles) {
    const auto& each = impl_->holders_of(role, layer);
    holders.insert(each.begin(), each.end());
  }
  for (const std::size_t index : holders) impl_->load_tensor(index, roles, sink);
}

void Checkpoint::load(Role role, int layer, const RowSink& sink) const {
  const TensorRule* rule = find_rule(config(), role);
  STRATA_CHECK(rule != nullptr);
  const auto shape = rule->shape(config());
  const std::size_t rows = shape.size() == 1 ? 1 : static_cast<std::size_t>(shape[0]);
  load(std::span(&role, 1), layer, [&](const LoadedRows& loaded) {
    sink(static_cast<std::size_t>(loaded.expert) * rows + loaded.row, loaded.values);
  });
}

void Checkpoint::load(Role role, int layer, std::span<float> out) const {
  STRATA_CHECK(out.size() == element_count(role));
  const std::size_t columns = static_cast<std::size_t>(shape(role).back());
  load(role, layer, [&](std::size_t row, std::span<const float> values) {
    std::copy(values.begin(), values.end(), out.begin() + static_cast<std::ptrdiff_t>(row * columns));
  });
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
  const auto each = bytes_read_by_tensor();
  return std::accumulate(each.begin(), each.end(), std::uint64_t{0});
}

std::vector<std::uint64_t> Checkpoint::bytes_read_by_tensor() const {
  return {impl_->bytes_read.begin(), impl_->bytes_read.end()};
}

std::vector<float> Checkpoint::constant_values() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->constant;
}

void Checkpoint::know_constants(const std::vector<float>& values) const {
  STRATA_CHECK(values.size() == tensors().size());
  const std::lock_guard lock(impl_->mutex);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(impl_->constant[i])) impl_->constant[i] = values[i];
  }
}

std::vector<std::string> Checkpoint::tensor_digests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->sha256;
}

void Checkpoint::expect_digests(const std::vector<std::string>& digests) const {
  STRATA_CHECK(digests.size() == tensors().size());
  const std::lock_guard lock(impl_->mutex);
  for (std::size_t i = 0; i < digests.size(); ++i) {
    if (digests[i].empty() || !impl_->sha256[i].empty()) continue;
    impl_->sha256[i] = digests[i];
    impl_->expected[i] = 1;
  }
}

}  // namespace strata
