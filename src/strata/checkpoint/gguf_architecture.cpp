#include "strata/checkpoint/gguf_architecture.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

namespace strata {
namespace {

// The number whose f32 was stored: 1e-5 for 9.99999974e-6.
double shortest(double value) {
  const auto rounded = static_cast<float>(value);
  if (double{rounded} != value) return value;
  const std::string text = fmt::format("{}", rounded);
  double number = value;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

std::string ArchitectureKeys::name(std::string_view key) const {
  return fmt::format("{}.{}", prefix_, key);
}

std::optional<std::int64_t> ArchitectureKeys::find_size(std::string_view key, std::int64_t limit) const {
  const std::string full = name(key);
  const auto found = metadata_.values().find(full);
  if (found == metadata_.values().end()) return std::nullopt;
  if (found->second.type != GgufValueType::array) return metadata_.integer(full, 1, limit);
  const auto list = metadata_.integers(full);
  const std::set<std::int64_t> distinct(list.begin(), list.end());
  if (distinct.size() > 1) {
    metadata_.refuse(full, fmt::format("{} to {}, by block", *distinct.begin(), *distinct.rbegin()),
                     "the same in every block");
  }
  if (list.empty() || list[0] < 1 || list[0] > limit) {
    metadata_.fail(full, list.empty() ? "an empty array" : fmt::format("{}", list[0]),
                   fmt::format("integers from 1 to {}", limit));
  }
  return list[0];
}

int ArchitectureKeys::size(std::string_view key, std::int64_t limit) const {
  const auto found = find_size(key, limit);
  if (!found) fail(key, "missing", fmt::format("an integer from 1 to {}", limit));
  return static_cast<int>(*found);
}

std::optional<double> ArchitectureKeys::find_number(std::string_view key) const {
  const auto number = metadata_.find_number(name(key));
  if (!number) return std::nullopt;
  return shortest(*number);
}

}  // namespace strata
