#define TOML_HEADER_ONLY 1
#define TOML_MAX_NESTED_VALUES 32
#include "strata/families/study_file_toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <cmath>

#include "strata/base/error.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

Json convert(const toml::node& node, const std::string& where) {
  if (const auto* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [key, value] : *table) object[std::string(key.str())] = convert(value, where);
    return object;
  }
  if (const auto* array = node.as_array()) {
    Json list = Json::array();
    for (const auto& value : *array) list.push_back(convert(value, where));
    return list;
  }
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* integer = node.as_integer()) return integer->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  const auto* number = node.as_floating_point();
  if (number != nullptr && std::isfinite(number->get())) return number->get();
  throw Error(ErrorKind::bad_file,
              {.where = fmt::format("{}: line {}", where, node.source().begin.line),
               .found = number != nullptr ? "a number that is not finite" : "a date or time",
               .expected = "text, a finite number, true or false, a list or a table"});
}

// Dotted keys nest without a limit of the parser's own; tables are taken apart recursively.
void check_dots(const std::string& text, const std::string& where) {
  constexpr std::size_t kMostDots = 200;
  std::size_t line = 1, dots = 0;
  for (const char c : text) {
    dots = c == '\n' ? 0 : dots + (c == '.' ? 1 : 0);
    line += c == '\n' ? 1 : 0;
    if (dots <= kMostDots) continue;
    throw Error(ErrorKind::bad_file, {.where = fmt::format("{}: line {}", where, line),
                                      .found = fmt::format("more than {} dots", kMostDots),
                                      .hint = "break long texts over several lines"});
  }
}

}  // namespace

nlohmann::ordered_json json_of_toml(const std::string& text, const std::string& where) {
  check_dots(text, where);
  try {
    return convert(toml::parse(text), where);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorKind::bad_file,
                {.where = fmt::format("{}: line {}, column {}", where, error.source().begin.line,
                                      error.source().begin.column),
                 .found = std::string(error.description()),
                 .expected = "TOML 1.0"});
  }
}

}  // namespace strata
