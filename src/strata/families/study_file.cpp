#include "strata/families/study_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/json_depth.h"
#include "strata/families/study.h"
#include "strata/families/study_file_toml.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uintmax_t kMostBytes = 1u << 20;  // of a file that people write
constexpr std::size_t kMostEntries = 1000;       // models, texts, figures
constexpr std::int64_t kMostCount = 1 << 30;

// One table of the file; complains about keys that nobody asked for.
class Table {
 public:
  Table(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) bad(path_, fmt::format("a {}", object.type_name()), "a table");
  }

  [[nodiscard]] const Json* find(const char* key) {
    known_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  [[nodiscard]] std::string text(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) bad(at(key), fmt::format("a {}", value->type_name()), "text");
    return value->get<std::string>();
  }
  [[nodiscard]] bool flag(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) bad(at(key), fmt::format("a {}", value->type_name()), "true or false");
    return value->get<bool>();
  }
  [[nodiscard]] std::optional<std::int64_t> integer(const char* key, std::int64_t least,
                                                    std::int64_t most = kMostCount) {
    const Json* value = find(key);
    if (value == nullptr) return {};
    const auto expected = fmt::format("a whole number from {} to {}", least, most);
    if (!value->is_number_integer())
      bad(at(key), value->dump(-1, ' ', false, Json::error_handler_t::replace), expected);
    const bool huge =
        value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(most);
    if (huge || value->get<std::int64_t>() < least || value->get<std::int64_t>() > most)
      bad(at(key), value->dump(), expected);
    return value->get<std::int64_t>();
  }
  [[nodiscard]] std::optional<double> number(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_number() || !std::isfinite(value->get<double>())) {
      bad(at(key), value->dump(-1, ' ', false, Json::error_handler_t::replace), "a number");
    }
    return value->get<double>();
  }
  [[nodiscard]] std::vector<std::string> texts(const char* key) {
    std::vector<std::string> out;
    for (const Json& value : list(key)) {
      if (!value.is_string()) bad(at(key), fmt::format("a {}", value.type_name()), "a list of texts");
      out.push_back(value.get<std::string>());
    }
    return out;
  }
  // The tables of a list, each with its path.
  [[nodiscard]] std::vector<Table> tables(const char* key) {
    std::vector<Table> out;
    for (const Json& value : list(key)) out.emplace_back(value, fmt::format("{}[{}]", at(key), out.size()));
    return out;
  }
  // After everything that is known was asked for.
  void finish() const {
    for (const auto& item : object_.items()) {
      if (known_.contains(item.key())) continue;
      bad(at(item.key()), "no such key", fmt::format("some of {}", fmt::join(known_, ", ")));
    }
  }
  [[noreturn]] void bad(const std::string& where, std::string found, std::string expected) const {
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = std::move(found),
                                      .expected = std::move(expected),
                                      .hint = "see docs/compare.md"});
  }
  [[nodiscard]] std::string at(const std::string& key) const {
    return path_ + (path_.ends_with(' ') ? "" : ".") + key;
  }

 private:
  [[nodiscard]] const Json& list(const char* key) {
    static const Json kEmpty = Json::array();
    const Json* value = find(key);
    if (value == nullptr) return kEmpty;
    if (!value->is_array()) bad(at(key), fmt::format("a {}", value->type_name()), "a list");
    if (value->size() > kMostEntries)
      bad(at(key), fmt::format("{} entries", value->size()), fmt::format("at most {}", kMostEntries));
    return *value;
  }

  const Json& object_;
  std::string path_;
  std::set<std::string> known_;
};

StudyAnalysis read_analysis(Table& file) {
  StudyAnalysis a;
  const Json* value = file.find("analyze");
  if (value == nullptr) return a;
  Table t(*value, file.at("analyze"));
  a.lane_tokens = t.integer("lane_tokens", 64);
  a.positions = t.integer("positions", 64);
  a.lens_positions = t.integer("lens_positions", 1);
  a.label_samples = t.integer("label_samples", 1, 1024);
  a.ctx_size = t.integer("ctx_size", 1);
  a.chunks = t.integer("chunks", 1);
  a.limit = t.integer("limit", 1);
  a.surrogates = t.integer("surrogates", 19, 100'000);
  a.replicates = t.integer("replicates", 20, 10'000);
  a.seed = t.integer("seed", 0, INT64_MAX);
  if (const std::string effort = t.text("effort"); !effort.empty()) {
    if (effort != "quick" && effort != "standard" && effort != "thorough")
      t.bad(t.at("effort"), fmt::format("'{}'", effort), "quick, standard or thorough");
    a.effort = effort;
  }
  a.signals = t.texts("signals");
  a.interventions = t.texts("interventions");
  t.finish();
  return a;
}

// Of a file or directory name that may hold anything, what can name a run directory.
bool is_plain(const std::string& name) {
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
}

void check_name(const Table& t, const std::string& name, std::set<std::string>& taken) {
  if (!is_plain(name))
    t.bad(t.at("name"), fmt::format("'{}'", name),
          "letters, digits, '-', '_' and '.', the first of them no '.'");
  if (!taken.insert(name).second)
    t.bad(t.at("name"), fmt::format("'{}' a second time", name), "a name of its own");
}

std::vector<StudyText> read_texts(Table& file) {
  std::vector<StudyText> texts;
  std::set<std::string> taken;
  for (Table& t : file.tables("text")) {
    StudyText text{
        .name = t.text("name"), .path = t.text("path"), .boundaries_only = t.flag("boundaries_only")};
    if (text.name.empty())
      text.name = text.path.empty() ? "tales" : std::filesystem::path(text.path).stem().string();
    t.finish();
    check_name(t, text.name, taken);
    texts.push_back(std::move(text));
  }
  if (texts.empty()) texts.push_back({.name = "tales", .path = {}});
  return texts;
}

StudyModel read_model(Table& t, const std::vector<StudyText>& texts, std::set<std::string>& taken) {
  StudyModel m{.name = t.text("name"),
               .model = t.text("model"),
               .run = t.text("run"),
               .text = t.text("text"),
               .family = t.text("family"),
               .size = t.text("size"),
               .training = t.text("training")};
  t.finish();
  if (m.model.empty() == m.run.empty())
    t.bad(t.at("model"), m.model.empty() ? "neither model nor run" : "both model and run", "one of the two");
  if (m.name.empty()) m.name = std::filesystem::path(m.model.empty() ? m.run : m.model).filename().string();
  if (m.run.empty()) check_name(t, m.name, taken);  // runs of one model on several texts share a name
  if (!m.training.empty() && m.training != "base" && m.training != "instruct")
    t.bad(t.at("training"), fmt::format("'{}'", m.training), "base or instruct");
  const bool known = m.text.empty() || std::any_of(texts.begin(), texts.end(),
                                                   [&](const StudyText& x) { return x.name == m.text; });
  if (!known) t.bad(t.at("text"), fmt::format("'{}'", m.text), "the name of a text of this file");
  if (!m.run.empty() && m.text.empty()) m.text = texts.front().name;
  return m;
}

ExpectedFigure read_figure(Table& t) {
  ExpectedFigure f{.quantity = t.text("quantity"),
                   .family = t.text("family"),
                   .source = t.text("source"),
                   .note = t.text("note"),
                   .ours_note = {}};
  const auto value = t.number("value"), lo = t.number("lo"), hi = t.number("hi");
  t.finish();
  const auto& known = expected_quantities();
  if (std::find(known.begin(), known.end(), f.quantity) == known.end())
    t.bad(t.at("quantity"), fmt::format("'{}'", f.quantity),
          fmt::format("one of {}", fmt::join(known, ", ")));
  if (value.has_value() == (lo.has_value() && hi.has_value()) || lo.has_value() != hi.has_value())
    t.bad(t.at("value"), "no number, or too many", "value, or lo and hi");
  f.lo = value ? *value : *lo;
  f.hi = value ? *value : *hi;
  return f;
}

StudyFile read(const Json& document, const std::string& where) {
  Table t(document, where + ": ");
  StudyFile file;
  StudyCard& card = file.card;
  card.title = t.text("title");
  card.source = t.text("source");
  card.notes = t.texts("notes");
  card.main_text = t.text("main_text");
  card.stable_family = t.text("stable_family");
  card.variable_family = t.text("variable_family");
  if (const auto seed = t.integer("seed", 0, INT64_MAX)) card.seed = static_cast<std::uint64_t>(*seed);
  file.analysis = read_analysis(t);
  file.texts = read_texts(t);
  std::set<std::string> taken;
  for (Table& m : t.tables("model")) file.models.push_back(read_model(m, file.texts, taken));
  for (Table& f : t.tables("expected")) file.expected.push_back(read_figure(f));
  t.finish();
  if (file.models.empty()) t.bad(t.at("model"), "no models", "at least one [[model]]");
  if (card.main_text.empty()) card.main_text = file.texts.front().name;
  if (std::none_of(file.texts.begin(), file.texts.end(),
                   [&](const StudyText& x) { return x.name == card.main_text; }))
    t.bad(t.at("main_text"), fmt::format("'{}'", card.main_text), "the name of a text of this file");
  return file;
}

}  // namespace

bool is_study_file(const std::filesystem::path& path) {
  return path.extension() == ".toml" || path.extension() == ".json";
}

StudyFile parse_study_file(const std::string& text, bool toml, const std::string& where) {
  constexpr int kMaxDepth = 16;
  if (toml) return read(json_of_toml(text, where), where);
  const auto document =
      json_deeper_than(text, kMaxDepth) ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
  if (document.is_discarded())
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = "no JSON, or nested too deeply",
                                      .expected = "a study file",
                                      .hint = "see docs/compare.md"});
  return read(document, where);
}

StudyFile read_study_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error)
    throw Error(ErrorKind::usage,
                {.where = path.string(), .found = error.message(), .expected = "a study file"});
  if (size > kMostBytes)
    throw Error(ErrorKind::bad_file, {.where = path.string(),
                                      .found = fmt::format("{} bytes", size),
                                      .expected = fmt::format("a study file of at most {}", kMostBytes)});
  StudyFile file = parse_study_file(read_file(path), path.extension() == ".toml", path.string());
  file.directory = path.parent_path();
  file.card.name = path.stem().string();
  return file;
}

std::filesystem::path resolve(const StudyFile& file, const std::string& path) {
  const auto beside = file.directory / path;
  std::error_code error;
  return std::filesystem::exists(beside, error) ? beside : std::filesystem::path(path);
}

}  // namespace strata
