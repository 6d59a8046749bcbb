#include "strata/cli/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "strata/base/error.h"

namespace strata {
namespace {

[[noreturn]] void bad(const std::string& flag, const std::string& text, const std::string& expected) {
  throw Error(ErrorKind::usage, {.where = flag, .found = fmt::format("'{}'", text), .expected = expected});
}

int parse_index(std::string_view text, const std::string& flag, const std::string& whole, int last) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > last) {
    bad(flag, whole, fmt::format("numbers and ranges like 3,7,10-14 within 0 to {}", last));
  }
  return value;
}

}  // namespace

std::uint64_t parse_size(const std::string& text, const std::string& flag) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(end, text.data() + text.size());
  if (unit.size() == 3 && unit.ends_with("iB")) {
    unit.resize(1);
  } else if (unit.ends_with('B')) {
    unit.pop_back();
  }
  constexpr std::string_view kUnits = "KMGT";
  double scale = 1.0;
  if (unit.size() == 1 && kUnits.find(unit[0]) != std::string_view::npos) {
    scale = std::pow(1024.0, static_cast<double>(kUnits.find(unit[0]) + 1));
    unit.clear();
  }
  const double bytes = value * scale;
  if (error != std::errc{} || !unit.empty() || !(bytes >= 1.0) || bytes > 1e18) {
    bad(flag, text, "a size like 8G, 512M or a number of bytes");
  }
  return static_cast<std::uint64_t>(bytes);
}

std::vector<int> parse_layers(const std::string& text, int last, const std::string& flag) {
  std::vector<int> layers;
  std::stringstream parts(text);
  std::string part;
  while (std::getline(parts, part, ',')) {
    const std::size_t dash = part.find('-');
    const int begin = parse_index(std::string_view(part).substr(0, dash), flag, text, last);
    const int end = dash == std::string::npos
                        ? begin
                        : parse_index(std::string_view(part).substr(dash + 1), flag, text, last);
    if (end < begin) bad(flag, text, "ranges that go up");
    for (int layer = begin; layer <= end; ++layer) layers.push_back(layer);
  }
  if (layers.empty() || text.ends_with(',')) bad(flag, text, "numbers and ranges like 3,7,10-14");
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

}  // namespace strata
