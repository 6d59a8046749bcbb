// A JSON value that knows where it came from, so that every complaint names file and key.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/error.h"

namespace strata {

/// Parses `text`. Throws Error(bad_file) for anything but one JSON object nested at most 64 deep.
[[nodiscard]] nlohmann::json parse_json_object(std::string_view text, const std::string& where);

/// A borrowed value with its path; the json must outlive it.
class JsonView {
 public:
  JsonView(const nlohmann::json& value, std::string where) : value_(&value), where_(std::move(where)) {}

  /// "file: key.path[index]"
  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] const nlohmann::json& json() const { return *value_; }
  [[nodiscard]] bool is_null() const { return value_->is_null(); }
  /// True when this object has `key` with a value other than null.
  [[nodiscard]] bool has(std::string_view key) const;
  /// The member `key`; Error(bad_file) when this is no object or has no such key.
  [[nodiscard]] JsonView at(std::string_view key) const;
  /// The elements; Error(bad_file) when this is no array.
  [[nodiscard]] std::vector<JsonView> elements() const;
  /// Error(bad_file) when this is no object.
  void require_object() const;

  [[nodiscard]] const std::string& string() const;
  [[nodiscard]] bool boolean() const;
  /// A non-negative integer that fits in 31 bits.
  [[nodiscard]] std::int32_t id() const;
  /// The flag `key`, false when absent or null.
  [[nodiscard]] bool flag(std::string_view key) const;

  [[noreturn]] void bad(const std::string& found, const std::string& expected) const;
  [[noreturn]] void unsupported(const std::string& found, const std::string& expected) const;
  [[noreturn]] void wrong_type(const std::string& expected) const;

 private:
  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace strata
