// Typed access to the keys of config.json: each failure names the file, the key and the value.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "strata/checkpoint/family.h"

namespace strata {

class ConfigReader {
 public:
  /// Reads `object`, which must outlive the reader. `prefix` is put before key names ("rope_scaling.").
  ConfigReader(const nlohmann::json& object, std::string where, std::string prefix = {});

  [[nodiscard]] const nlohmann::json& object() const { return object_; }
  [[nodiscard]] bool has(const char* key) const { return object_.contains(key); }
  [[nodiscard]] bool is_null(const char* key) const { return has(key) && object_[key].is_null(); }
  /// Present and not null.
  [[nodiscard]] bool has_value(const char* key) const { return has(key) && !object_[key].is_null(); }

  /// The value, or Error(bad_file) "missing" (null counts as missing).
  [[nodiscard]] const nlohmann::json& require(const char* key, std::string_view expected) const;
  /// An integer in [1, limit].
  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t limit) const;
  [[nodiscard]] int size(const char* key, std::int64_t limit) const;
  /// A finite number > 0.
  [[nodiscard]] double positive(const char* key) const;
  /// true or false; nothing when absent or null.
  [[nodiscard]] std::optional<bool> flag(const char* key) const;
  /// The object under this key, as a reader; nothing when absent or null.
  [[nodiscard]] std::optional<ConfigReader> section(const char* key) const;

  /// Throws Error(bad_file) about this key.
  [[noreturn]] void fail(const char* key, const nlohmann::json& found, std::string_view expected) const;
  /// Throws Error(unsupported) about this key.
  [[noreturn]] void refuse(const char* key, std::string_view found, std::string_view expected,
                           std::string_view hint = "strata does not compute this model") const;

  /// A value for a message: its JSON text, cut to a line.
  [[nodiscard]] static std::string show(const nlohmann::json& value);

 private:
  [[nodiscard]] std::string name(const char* key) const;
  const nlohmann::json& object_;
  std::string where_;
  std::string prefix_;
};

/// Reads rotary positions in either spelling, rope_theta with rope_scaling or rope_parameters, into the
/// fields of `config` that say them. Its max_context is the original context where the file gives none.
void read_rope(const ConfigReader& file, const Family& family, ModelConfig& config);

/// Reads what differs between blocks: sliding windows, blocks without rotation, mixtures of experts, the
/// gated delta rule.
void read_block_kinds(const ConfigReader& file, const Family& family, ModelConfig& config);

}  // namespace strata
