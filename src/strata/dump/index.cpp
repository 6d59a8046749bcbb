#include "strata/dump/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/json_depth.h"
#include "strata/base/text.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;
constexpr int kDeepest = 16;
constexpr const char* kConvention =
    "state i (0..L) is the input of block i, state L the output of the last block before the final norm; "
    "arrays are in C order, little endian; NaN = undefined";

Json array_json(const DumpedArray& array) {
  Json json{{"file", array.file},
            {"content", array.content},
            {"place", array.place < 0 ? Json(nullptr) : Json(array.place)},
            {"name", array.spec.name},
            {"dtype", to_string(array.spec.type)},
            {"shape", array.spec.shape},
            {"axes", array.axes}};
  if (!array.columns.empty()) json["columns"] = array.columns;
  if (!array.note.empty()) json["note"] = array.note;
  json["sha256"] = array.sha256.empty() ? Json(nullptr) : Json(array.sha256);
  return json;
}

// The element types by name; std::out_of_range becomes an Error in parse_dump_index.
ElementType type_named(const std::string& name) {
  for (const ElementType type : {ElementType::float32, ElementType::float64, ElementType::int32}) {
    if (name == to_string(type)) return type;
  }
  throw std::out_of_range("dtype " + name);
}

DumpedArray parse_array(const Json& json) {
  DumpedArray array;
  array.file = json.at("file").get<std::string>();
  array.content = json.at("content").get<std::string>();
  if (!json.at("place").is_null()) array.place = json.at("place").get<int>();
  array.spec.name = json.at("name").get<std::string>();
  array.spec.type = type_named(json.at("dtype").get<std::string>());
  array.spec.shape = json.at("shape").get<std::vector<std::size_t>>();
  array.axes = json.at("axes").get<std::vector<std::string>>();
  if (json.contains("columns")) array.columns = json["columns"].get<std::vector<std::string>>();
  if (json.contains("note")) array.note = json["note"].get<std::string>();
  if (!json.at("sha256").is_null()) array.sha256 = json.at("sha256").get<std::string>();
  const bool plain = !array.file.empty() && array.file.find('/') == std::string::npos && array.file != "." &&
                     array.file != "..";
  if (!plain) throw std::out_of_range("file name " + array.file);
  if (array.spec.shape.empty() || array.spec.shape.front() == 0)
    throw std::out_of_range("shape of " + array.file);
  return array;
}

}  // namespace

void make_text_valid(DumpIndex& index) {
  for (auto& [key, value] : index.facts) value = valid_utf8(value);
  for (std::string& document : index.documents) document = valid_utf8(document);
}

std::string dump_index_json(const DumpIndex& index) {
  Json of = Json::object();
  for (const auto& [key, value] : index.facts) of[key] = value;
  Json json{{"schema_version", kSchema},
            {"tool", {{"name", "strata"}}},
            {"complete", std::none_of(index.arrays.begin(), index.arrays.end(),
                                      [](const DumpedArray& a) { return a.sha256.empty(); })},
            {"of", of},
            {"n_layers", index.n_layers},
            {"hidden", index.hidden},
            {"convention", kConvention},
            {"documents", index.documents},
            {"arrays", Json::array()}};
  for (const DumpedArray& array : index.arrays) json["arrays"].push_back(array_json(array));
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

DumpIndex parse_dump_index(const std::string& text, const std::string& where) {
  const auto bad = [&](const std::string& found) {
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = found,
                                      .expected = "an index that strata dump wrote",
                                      .hint = "dump into a new directory"});
  };
  DumpIndex index;
  try {
    if (json_deeper_than(text, kDeepest)) bad("an index nested too deep");
    const Json json = Json::parse(text);
    if (json.at("schema_version").get<int>() != kSchema) bad("another schema_version");
    for (const auto& [key, value] : json.at("of").items())
      index.facts.emplace_back(key, value.get<std::string>());
    index.n_layers = json.at("n_layers").get<int>();
    index.hidden = json.at("hidden").get<int>();
    index.documents = json.at("documents").get<std::vector<std::string>>();
    for (const Json& array : json.at("arrays")) index.arrays.push_back(parse_array(array));
  } catch (const nlohmann::json::exception& error) {
    bad(error.what());
  } catch (const std::out_of_range& error) {
    bad(error.what());
  }
  return index;
}

void check_same_dump(const DumpIndex& there, const DumpIndex& asked, const std::filesystem::path& directory) {
  for (const auto& [key, value] : asked.facts) {
    const auto found = std::find_if(there.facts.begin(), there.facts.end(),
                                    [&key = key](const auto& fact) { return fact.first == key; });
    if (found != there.facts.end() && found->second == value) continue;
    throw Error(ErrorKind::usage,
                {.where = directory.string(),
                 .found = fmt::format("a dump with {} '{}'", key,
                                      found == there.facts.end() ? std::string("none") : found->second),
                 .expected = fmt::format("'{}'", value),
                 .hint = "choose another --output"});
  }
}

std::vector<std::string> keep_finished(const DumpIndex& there, DumpIndex& asked, ArrayFormat format,
                                       const std::filesystem::path& directory) {
  std::vector<std::string> damaged;
  for (const DumpedArray& old : there.arrays) {
    if (old.sha256.empty()) continue;
    if (digest_of_array(directory / old.file, format, old.spec) != old.sha256) {
      damaged.push_back(old.file);
      continue;
    }
    const auto same = std::find_if(asked.arrays.begin(), asked.arrays.end(),
                                   [&](const DumpedArray& a) { return a.file == old.file; });
    if (same == asked.arrays.end()) {
      asked.arrays.push_back(old);
    } else if (same->spec.shape == old.spec.shape && same->spec.type == old.spec.type) {
      same->sha256 = old.sha256;
    }
  }
  return damaged;
}

}  // namespace strata
