#include "strata/cli/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <string_view>

#include "strata/base/error.h"
#include "strata/base/numbers.h"

namespace strata {
namespace {

[[noreturn]] void bad(const std::string& flag, const std::string& text, const std::string& expected,
                      const std::string& hint = "") {
  throw Error(ErrorKind::usage,
              {.where = flag, .found = fmt::format("'{}'", text), .expected = expected, .hint = hint});
}

int parse_index(const std::string& text, const std::string& flag, const std::string& whole, int last) {
  const auto value = parse_whole(text);
  if (!value || *value > static_cast<std::uint64_t>(last))
    bad(flag, whole, fmt::format("numbers and ranges like 3,7,10-14 within 0 to {}", last));
  return static_cast<int>(*value);
}

// Powers of 1024 that a unit stands for; 0 for bytes, nothing for no unit of ours.
std::optional<int> power_of(std::string unit) {
  if (unit == "B") return 0;
  if (unit.size() == 3 && unit.ends_with("iB")) {
    unit.resize(1);
  } else if (unit.size() == 2 && unit.ends_with('B')) {
    unit.pop_back();
  }
  constexpr std::string_view kUnits = "KMGT";
  if (unit.size() != 1 || kUnits.find(unit[0]) == std::string_view::npos) return std::nullopt;
  return static_cast<int>(kUnits.find(unit[0])) + 1;
}

}  // namespace

std::uint64_t parse_count(const std::string& text, std::uint64_t least, std::uint64_t most,
                          const std::string& flag) {
  const auto value = parse_whole(text);
  if (!value || *value < least || *value > most)
    bad(flag, text, fmt::format("a whole number from {} to {}, in digits alone", least, most));
  return *value;
}

std::vector<std::uint64_t> parse_counts(const std::string& text, std::uint64_t least, std::uint64_t most,
                                        const std::string& flag) {
  std::vector<std::uint64_t> values;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(parse_count(text.substr(begin, end - begin), least, most, flag));
    begin = end + 1;
  }
  return values;
}

double parse_real(const std::string& text, double least, double most, const std::string& flag) {
  const auto value = parse_decimal(text);
  if (!value || !(*value >= least && *value <= most))
    bad(flag, text, fmt::format("a number from {:g} to {:g}, like 0.01 or 1e-4", least, most));
  return *value;
}

std::uint64_t parse_size(const std::string& text, const std::string& flag) {
  constexpr double kMost = 1e18;
  constexpr std::uint64_t kLeastPlain = 1 << 20;
  const std::string expected = "a size like 8G, 512M or a number of bytes";
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string number = text.substr(0, end), unit = text.substr(end);
  if (unit.empty()) {
    const auto bytes = parse_whole(number);
    if (!bytes || static_cast<double>(*bytes) > kMost) bad(flag, text, expected);
    if (*bytes < kLeastPlain)
      bad(flag, text, expected,
          fmt::format("a number alone is bytes: {0}G is {0} GiB, {0}B is {0} bytes", *bytes));
    return *bytes;
  }
  const auto value = parse_decimal(number);
  const auto power = power_of(unit);
  if (!value || !power) bad(flag, text, expected);
  const double bytes = *value * std::pow(1024.0, *power);
  const bool part_of_byte = *power == 0 && bytes != std::floor(bytes);
  if (!(bytes >= 1.0) || bytes > kMost || part_of_byte) bad(flag, text, expected);
  return static_cast<std::uint64_t>(bytes);
}

std::vector<int> parse_layers(const std::string& text, int last, const std::string& flag) {
  std::vector<int> layers;
  std::stringstream parts(text);
  std::string part;
  while (std::getline(parts, part, ',')) {
    const std::size_t dash = part.find('-');
    const int begin = parse_index(part.substr(0, dash), flag, text, last);
    const int end = dash == std::string::npos ? begin : parse_index(part.substr(dash + 1), flag, text, last);
    if (end < begin) bad(flag, text, "ranges that go up");
    for (int layer = begin; layer <= end; ++layer) layers.push_back(layer);
  }
  if (layers.empty() || text.ends_with(',')) bad(flag, text, "numbers and ranges like 3,7,10-14");
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

}  // namespace strata
