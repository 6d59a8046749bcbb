// What a GGUF file says below the name of its architecture.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "strata/checkpoint/config.h"
#include "strata/checkpoint/family.h"
#include "strata/gguf/gguf.h"

namespace strata {

/// The keys below the architecture's name.
class ArchitectureKeys {
 public:
  ArchitectureKeys(const GgufMetadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(architecture) {}

  /// Of the whole key.
  [[nodiscard]] std::string name(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return metadata_.has(name(key)); }

  /// A size from 1; an array with one entry for each block must hold one value.
  [[nodiscard]] std::optional<std::int64_t> find_size(std::string_view key, std::int64_t limit) const;
  /// Throws where it is absent.
  [[nodiscard]] int size(std::string_view key, std::int64_t limit) const;
  /// A number of f32 or f64. One of f32 is taken as the shortest decimal that gives it.
  [[nodiscard]] std::optional<double> find_number(std::string_view key) const;

  [[noreturn]] void fail(std::string_view key, std::string found, std::string expected) const {
    metadata_.fail(name(key), std::move(found), std::move(expected));
  }
  [[noreturn]] void refuse(std::string_view key, std::string found, std::string expected) const {
    metadata_.refuse(name(key), std::move(found), std::move(expected));
  }
  [[nodiscard]] const GgufMetadata& metadata() const { return metadata_; }

 private:
  const GgufMetadata& metadata_;
  std::string prefix_;
};

/// Base, scaling and share of the rotation.
void read_gguf_rope(const ArchitectureKeys& keys, ModelConfig& config);
/// The blocks with a sliding window.
void read_gguf_window(const ArchitectureKeys& keys, const Family& family, ModelConfig& config);
/// Factors of the queries that grow with the position.
void read_gguf_query_scale(const ArchitectureKeys& keys, ModelConfig& config);

}  // namespace strata
