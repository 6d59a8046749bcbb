#include "strata/checkpoint/config_reader.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {

using nlohmann::json;

ConfigReader::ConfigReader(const json& object, std::string where, std::string prefix)
    : object_(object), where_(std::move(where)), prefix_(std::move(prefix)) {}

std::string ConfigReader::name(const char* key) const {
  return fmt::format("{}: {}{}", where_, prefix_, key);
}

std::string ConfigReader::show(const json& value) {
  return printable(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

void ConfigReader::fail(const char* key, const json& found, std::string_view expected) const {
  throw Error(ErrorKind::bad_file,
              {.where = name(key), .found = show(found), .expected = std::string(expected)});
}

void ConfigReader::refuse(const char* key, std::string_view found, std::string_view expected,
                          std::string_view hint) const {
  throw Error(ErrorKind::unsupported, {.where = name(key),
                                       .found = std::string(found),
                                       .expected = std::string(expected),
                                       .hint = std::string(hint)});
}

const json& ConfigReader::require(const char* key, std::string_view expected) const {
  if (!has_value(key)) {
    throw Error(ErrorKind::bad_file, {.where = name(key),
                                      .found = has(key) ? "null" : "missing",
                                      .expected = std::string(expected),
                                      .hint = "strata does not guess it"});
  }
  return object_[key];
}

std::int64_t ConfigReader::integer(const char* key, std::int64_t limit) const {
  const std::string expected = fmt::format("an integer from 1 to {}", limit);
  const json& value = require(key, expected);
  if (!value.is_number_integer()) fail(key, value, expected);
  // nlohmann keeps what does not fit in int64 as unsigned.
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(limit)) {
    fail(key, value, expected);
  }
  const auto number = value.get<std::int64_t>();
  if (number < 1 || number > limit) fail(key, value, expected);
  return number;
}

int ConfigReader::size(const char* key, std::int64_t limit) const {
  return static_cast<int>(integer(key, std::min<std::int64_t>(limit, std::numeric_limits<int>::max())));
}

double ConfigReader::positive(const char* key) const {
  const json& value = require(key, "a number above 0");
  if (!value.is_number()) fail(key, value, "a number above 0");
  const auto number = value.get<double>();
  if (!std::isfinite(number) || !(number > 0.0)) fail(key, value, "a number above 0");
  return number;
}

std::optional<bool> ConfigReader::flag(const char* key) const {
  if (!has_value(key)) return std::nullopt;
  const json& value = object_[key];
  if (!value.is_boolean()) fail(key, value, "true or false");
  return value.get<bool>();
}

std::optional<ConfigReader> ConfigReader::section(const char* key) const {
  if (!has_value(key)) return std::nullopt;
  const json& value = object_[key];
  if (!value.is_object()) fail(key, value, "an object");
  return ConfigReader(value, where_, fmt::format("{}{}.", prefix_, key));
}

}  // namespace strata
