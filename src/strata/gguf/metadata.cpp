// Typed access to metadata whose bytes the parser has checked.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/gguf/value.h"

namespace strata {
namespace {

struct TypeFacts {
  const char* name;
  std::uint64_t least_bytes;
};

// By type number.
constexpr std::array<TypeFacts, 13> kTypes{{{"u8", 1},
                                            {"i8", 1},
                                            {"u16", 2},
                                            {"i16", 2},
                                            {"u32", 4},
                                            {"i32", 4},
                                            {"f32", 4},
                                            {"bool", 1},
                                            {"string", 8},
                                            {"array", 12},
                                            {"u64", 8},
                                            {"i64", 8},
                                            {"f64", 8}}};

struct Integer {
  bool negative = false;
  std::uint64_t bits = 0;  // two's complement
  [[nodiscard]] bool fits() const { return negative || bits >> 63 == 0; }
  [[nodiscard]] std::int64_t value() const { return static_cast<std::int64_t>(bits); }
};

template <class T>
Integer widen(const std::byte* at) {
  const T value = gguf::load<T>(at);
  return {value < T{0}, static_cast<std::uint64_t>(value)};
}

// Nothing for a type that is not an integer.
std::optional<Integer> load_integer(GgufValueType type, const std::byte* at) {
  switch (type) {
    case GgufValueType::u8:
      return widen<std::uint8_t>(at);
    case GgufValueType::i8:
      return widen<std::int8_t>(at);
    case GgufValueType::u16:
      return widen<std::uint16_t>(at);
    case GgufValueType::i16:
      return widen<std::int16_t>(at);
    case GgufValueType::u32:
      return widen<std::uint32_t>(at);
    case GgufValueType::i32:
      return widen<std::int32_t>(at);
    case GgufValueType::u64:
      return widen<std::uint64_t>(at);
    case GgufValueType::i64:
      return widen<std::int64_t>(at);
    default:
      return std::nullopt;
  }
}

std::string show(const Integer& number) {
  return number.negative ? fmt::format("{}", number.value()) : fmt::format("{}", number.bits);
}

std::string describe(const GgufValue& value) {
  if (value.type != GgufValueType::array) return fmt::format("a value of type {}", to_string(value.type));
  return fmt::format("an array of {} {}", value.count, to_string(value.element));
}

// The string that begins at `at` with its length.
std::string_view load_string(const std::byte* at) {
  return {reinterpret_cast<const char*>(at) + 8, gguf::load<std::uint64_t>(at)};
}

}  // namespace

namespace gguf {

std::uint64_t least_bytes(GgufValueType type) {
  return kTypes[static_cast<std::size_t>(type)].least_bytes;
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kLongest = 100;
  return text.size() <= kLongest ? std::string(text) : std::string(text.substr(0, kLongest)) + "...";
}

std::string quoted(std::string_view text) {
  std::string clean = shortened(text);
  for (char& c : clean) {
    if (c < 0x20 || c == 0x7f) c = '?';  // char is signed here: bytes above 0x7f too
  }
  return "\"" + clean + "\"";
}

}  // namespace gguf

const char* to_string(GgufValueType type) {
  return kTypes[static_cast<std::size_t>(type)].name;
}

GgufMetadata::GgufMetadata(std::map<std::string, GgufValue, std::less<>> values, std::string where)
    : values_(std::move(values)), where_(std::move(where)) {}

void GgufMetadata::fail(std::string_view key, std::string found, std::string expected) const {
  throw Error(ErrorKind::bad_file, {.where = fmt::format("{}: {}", where_, gguf::shortened(key)),
                                    .found = std::move(found),
                                    .expected = std::move(expected)});
}

void GgufMetadata::refuse(std::string_view key, std::string found, std::string expected,
                          std::string hint) const {
  const bool tokenizer = key.starts_with("tokenizer.");  // the weights may be fine
  if (hint.empty())
    hint = tokenizer ? "give token ids as .npy with -f" : "strata does not compute this model";
  throw Error(ErrorKind::unsupported, {.where = fmt::format("{}: {}", where_, gguf::shortened(key)),
                                       .found = std::move(found),
                                       .expected = std::move(expected),
                                       .hint = std::move(hint)});
}

bool GgufMetadata::has(std::string_view key) const {
  return values_.find(key) != values_.end();
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<std::int64_t> GgufMetadata::find_integer(std::string_view key, std::int64_t low,
                                                       std::int64_t high) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::string expected = fmt::format("an integer from {} to {}", low, high);
  const auto number = load_integer(value->type, value->bytes.data());
  if (!number) fail(key, describe(*value), expected);
  if (!number->fits() || number->value() < low || number->value() > high) fail(key, show(*number), expected);
  return number->value();
}

std::int64_t GgufMetadata::integer(std::string_view key, std::int64_t low, std::int64_t high) const {
  const auto found = find_integer(key, low, high);
  if (!found) fail(key, "missing", fmt::format("an integer from {} to {}", low, high));
  return *found;
}

std::optional<double> GgufMetadata::find_number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  double number = 0.0;
  if (value->type == GgufValueType::f32) {
    number = gguf::load<float>(value->bytes.data());
  } else if (value->type == GgufValueType::f64) {
    number = gguf::load<double>(value->bytes.data());
  } else {
    fail(key, describe(*value), "a number of type f32 or f64");
  }
  if (!std::isfinite(number)) fail(key, fmt::format("{}", number), "a finite number");
  return number;
}

double GgufMetadata::number(std::string_view key) const {
  const auto found = find_number(key);
  if (!found) fail(key, "missing", "a number of type f32 or f64");
  return *found;
}

std::optional<bool> GgufMetadata::find_flag(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufValueType::boolean) fail(key, describe(*value), "true or false");
  return value->bytes[0] != std::byte{0};
}

std::optional<std::string_view> GgufMetadata::find_string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufValueType::string) fail(key, describe(*value), "a string");
  return load_string(value->bytes.data());
}

std::string_view GgufMetadata::string(std::string_view key) const {
  const auto found = find_string(key);
  if (!found) fail(key, "missing", "a string");
  return *found;
}

const GgufValue& GgufMetadata::array(std::string_view key, const char* expected) const {
  const GgufValue* value = find(key);
  if (value == nullptr) fail(key, "missing", expected);
  if (value->type != GgufValueType::array) fail(key, describe(*value), expected);
  return *value;
}

std::vector<std::string_view> GgufMetadata::strings(std::string_view key) const {
  constexpr const char* kExpected = "an array of strings";
  const GgufValue& value = array(key, kExpected);
  if (value.element != GgufValueType::string) fail(key, describe(value), kExpected);
  std::vector<std::string_view> all;
  all.reserve(value.count);
  const std::byte* at = value.bytes.data();
  for (std::uint64_t i = 0; i < value.count; ++i) {
    all.push_back(load_string(at));
    at += 8 + all.back().size();
  }
  return all;
}

std::vector<float> GgufMetadata::floats(std::string_view key) const {
  constexpr const char* kExpected = "an array of f32";
  const GgufValue& value = array(key, kExpected);
  if (value.element != GgufValueType::f32) fail(key, describe(value), kExpected);
  std::vector<float> all(value.count);
  if (!all.empty()) std::memcpy(all.data(), value.bytes.data(), value.bytes.size());
  return all;
}

std::vector<std::int64_t> GgufMetadata::integers(std::string_view key) const {
  constexpr const char* kExpected = "an array of integers";
  const GgufValue& value = array(key, kExpected);
  std::vector<std::int64_t> all;
  all.reserve(value.count);
  const std::uint64_t step = gguf::least_bytes(value.element);
  constexpr std::array<std::byte, 8> kNothing{};
  if (!load_integer(value.element, kNothing.data())) fail(key, describe(value), kExpected);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto number = load_integer(value.element, value.bytes.data() + i * step);
    if (!number->fits()) fail(key, show(*number), "integers below 2^63");
    all.push_back(number->value());
  }
  return all;
}

}  // namespace strata
