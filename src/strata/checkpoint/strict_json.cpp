#include "strata/checkpoint/strict_json.h"

#include <fmt/format.h>

#include <unordered_set>
#include <vector>

#include "strata/base/error.h"
#include "strata/base/foreign_file.h"
#include "strata/base/json_depth.h"

namespace strata {
namespace {

using nlohmann::json;

// Remembers the keys of every object that is open while the text is parsed.
class KeyWatch {
 public:
  explicit KeyWatch(const std::string& where) : where_(where) {}

  bool operator()(int /*depth*/, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      open_.pop_back();
    } else if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_.back().insert(key).second) {
        throw Error(ErrorKind::bad_file, {.where = where_,
                                          .found = fmt::format("key \"{}\" twice", printable(key)),
                                          .expected = "each key once"});
      }
    }
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::unordered_set<std::string>> open_;
};

}  // namespace

json parse_strict_json(std::string_view text, const std::string& where) {
  if (const auto foreign = recognise_foreign(text); foreign && !text.starts_with('{')) {
    throw Error(ErrorKind::bad_file,
                {.where = where, .found = foreign->what, .expected = "a JSON object", .hint = foreign->hint});
  }
  if (const auto at = json_deeper_than(text, kMaxJsonDepth)) {
    throw Error(ErrorKind::bad_file,
                {.where = where,
                 .found = fmt::format("JSON nested deeper than {} at byte {}", kMaxJsonDepth, *at),
                 .expected = "a JSON object"});
  }
  json document;
  try {
    KeyWatch watch(where);
    document = json::parse(text, std::ref(watch));
  } catch (const json::parse_error& error) {
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = fmt::format("not valid JSON at byte {}", error.byte),
                                      .expected = "a JSON object",
                                      .hint = "the file may be cut short; download it again"});
  } catch (const json::exception&) {
    throw Error(ErrorKind::bad_file,
                {.where = where, .found = "a number that no type can hold", .expected = "a JSON object"});
  }
  if (!document.is_object()) {
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = fmt::format("a JSON {}", document.type_name()),
                                      .expected = "a JSON object"});
  }
  return document;
}

std::string printable(std::string_view name) {
  constexpr std::size_t kLongest = 160;
  std::string clean(name.substr(0, kLongest));
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  if (name.size() > kLongest) clean += "...";
  return clean;
}

}  // namespace strata
