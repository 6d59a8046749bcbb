// A checkpoint on disk: validated headers, mapped weights, one tensor at a time as float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/checkpoint/config.h"
#include "strata/checkpoint/dtype.h"
#include "strata/checkpoint/family.h"
#include "strata/checkpoint/locate.h"

namespace strata {

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::size_t offset_bytes = 0;  ///< within its file
  std::size_t size_bytes = 0;
  std::size_t file = 0;    ///< index into Checkpoint::files()
  bool per_block = false;  ///< one for each block, by the family's table
};

/// Rows of a role's matrix, shown while the tensor that holds them is read.
struct LoadedRows {
  Role role = Role::embedding;
  int expert = 0;
  std::size_t row = 0;            ///< the first, within the expert's matrix
  std::span<const float> values;  ///< whole rows, row-major
};
using LoadSink = std::function<void(const LoadedRows&)>;

/// What Checkpoint::digest() is the digest of.
enum class DigestKind {
  hub_blob,  ///< the files, as the Hub cache names their blobs
  tensors,   ///< the tensors, each taken as it was loaded
};
[[nodiscard]] const char* to_string(DigestKind kind);

/// A Hugging Face directory (config.json and model.safetensors, or model.safetensors.index.json with its
/// shards), or a GGUF file (or the first of its splits). Opening reads and checks every header and the
/// config, and maps the files; weights are read when they are loaded. Move-only.
class Checkpoint {
 public:
  /// `path` is anything that locate_model finds: a path, or org/name[@revision] in the Hub cache.
  /// Throws Error(usage) when the path does not exist, Error(bad_file) or Error(unsupported) otherwise.
  /// After it returns, every tensor of the family's table is there with the right shape and dtype.
  [[nodiscard]] static Checkpoint open(const std::filesystem::path& path);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  [[nodiscard]] const ModelConfig& config() const;
  [[nodiscard]] const ModelLocation& location() const;
  /// The directory, or the (first) GGUF file.
  [[nodiscard]] const std::filesystem::path& path() const;
  /// location().name, for people and default outputs.
  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const;
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const;  ///< of the table, by name
  /// What a person should know of the files: config().notes, and an adapter that lies beside the weights.
  [[nodiscard]] const std::vector<std::string>& notes() const;
  [[nodiscard]] std::uint64_t weight_bytes() const;

  /// Whether some block of this model has the role (biases, QK-norm), or the model (untied unembedding).
  [[nodiscard]] bool has(Role role) const;
  [[nodiscard]] bool has(Role role, int layer) const;
  /// As it is stored in Hugging Face's files, all experts stacked in front where each has one.
  [[nodiscard]] std::vector<std::int64_t> shape(Role role) const;
  [[nodiscard]] std::size_t element_count(Role role) const;
  /// Bytes of a tensor that is not per block, as it is stored.
  [[nodiscard]] std::uint64_t stored_bytes(Role role) const;

  /// Threads that one load() uses, 1 at first. Values never depend on it.
  void set_load_threads(int threads);

  /// Converts one tensor to float32 into `out` (element_count(role) values, row-major, rows in Hugging
  /// Face's order whatever the format; norm weights as factors, the delta rule's decay as exp(A_log)), takes
  /// the SHA-256 of its stored bytes on the way the first time, and gives its pages back to the kernel.
  /// `layer` is ignored for roles that are not per block. Throws Error(bad_file) naming the tensor and the
  /// index for NaN or infinity.
  void load(Role role, int layer, std::span<float> out) const;
  /// The same, shown to `sink` a few rows at a time, concurrently on the load threads: sink(first row, whole
  /// rows of float32 values, row-major). Of rows before a NaN or infinity some may have been shown.
  void load(Role role, int layer,
            const std::function<void(std::size_t row, std::span<const float> values)>& sink) const;
  /// The same for several roles of a block: a tensor that holds several of them is read once.
  void load(std::span<const Role> roles, int layer, const LoadSink& sink) const;

  /// hub_digest() of the weights' files where the Hub cache knows it: then nothing is hashed here. Else
  /// SHA-256 over one line "name sha256" for each tensor of the table, sorted by name, once every tensor
  /// has been loaded at least once; empty before that. Names and bytes are those stored, so that two swapped
  /// blocks make another model, and so does another format or type; sharding and load order do not.
  [[nodiscard]] std::string digest() const;
  [[nodiscard]] DigestKind digest_kind() const;
  /// Stored bytes of weights read so far, each load counted.
  [[nodiscard]] std::uint64_t bytes_read() const;
  /// The same for each of tensors(): a whole number of times its size_bytes.
  [[nodiscard]] std::vector<std::uint64_t> bytes_read_by_tensor() const;

  /// The value of each of tensors() that is one value throughout, as far as they were loaded; NaN for the
  /// others.
  [[nodiscard]] std::vector<float> constant_values() const;
  /// Takes up what constant_values() gave another Checkpoint of the same model.
  void know_constants(const std::vector<float>& values) const;

  /// SHA-256 of each of tensors() as far as it is known, for a run that is taken up again elsewhere.
  [[nodiscard]] std::vector<std::string> tensor_digests() const;
  /// Takes up what tensor_digests() gave another Checkpoint of the same model. Each tensor is compared with
  /// it when it is loaded next; load() then throws Error(bad_file) where its bytes are others now.
  void expect_digests(const std::vector<std::string>& digests) const;

 private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// One header of a .safetensors file, for tests and fuzzing: parses and checks it against the size.
[[nodiscard]] std::vector<TensorInfo> parse_safetensors_header(std::span<const std::byte> file,
                                                               const std::string& where);

}  // namespace strata
