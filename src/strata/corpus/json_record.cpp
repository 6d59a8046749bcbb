#include "strata/corpus/json_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>

#include "strata/base/error.h"
#include "strata/base/json_depth.h"
#include "strata/corpus/bad_file.h"
#include "strata/corpus/json_values.h"

namespace strata {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kNamedKeys = 12;
constexpr const char* kChatKeys[] = {"messages", "conversations"};
constexpr const char* kTurnTexts[] = {"content", "value"};  // of OpenAI's form, of ShareGPT's
constexpr const char* kIdsKey = "input_ids";
constexpr const char* kBetweenTurns = "\n\n";
constexpr const char* kAsText = "--text-format text measures a file as it is";

// The three words outside strings that Python's json module writes and JSON has not.
std::string without_nan(std::string_view text) {
  constexpr std::string_view kWords[] = {"-Infinity", "Infinity", "NaN"};
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\' && i + 1 < text.size()) {
      out += c;
      out += text[++i];
      continue;
    }
    if (c == '"') in_string = !in_string;
    const auto word = std::find_if(std::begin(kWords), std::end(kWords),
                                   [&](std::string_view w) { return text.substr(i).starts_with(w); });
    const bool inside_a_word = i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0;
    if (in_string || inside_a_word || word == std::end(kWords)) {
      out += c;
      continue;
    }
    out += "null";
    i += word->size() - 1;
  }
  return out;
}

std::optional<Json> parse(std::string_view text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) value = Json::parse(without_nan(text), nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

std::string reason(std::string_view text) {
  try {
    const Json unexpected = Json::parse(without_nan(text));
  } catch (const Json::parse_error& error) {
    const std::string what = error.what();
    const std::size_t at = what.find("; last read");
    return fmt::format("not JSON, at byte {} of it{}", error.byte,
                       at == std::string::npos ? "" : what.substr(at, 80));
  } catch (const Json::exception&) {
    return "not JSON: a number out of range";
  }
  return "not JSON";
}

std::string kind(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  if (value.is_string()) return "a string";
  return value.is_boolean() ? "true or false" : "a number";
}

std::string key_names(const Json& record) {
  std::string names;
  std::size_t count = 0;
  for (const auto& [key, value] : record.items()) {
    if (count < kNamedKeys) names += fmt::format("{}\"{}\" ({})", count == 0 ? "" : ", ", key, kind(value));
    ++count;
  }
  if (count > kNamedKeys) names += fmt::format(" and {} more", count - kNamedKeys);
  return count == 0 ? "none" : names;
}

// The key whose string is longest: most likely the text.
std::string likely_key(const Json& record) {
  std::string likely;
  std::size_t longest = 0;
  for (const auto& [key, value] : record.items()) {
    if (value.is_object()) {
      for (const auto& [inner, below] : value.items()) {
        if (below.is_string() && below.get_ref<const std::string&>().size() > longest) {
          longest = below.get_ref<const std::string&>().size();
          likely = key + "." + inner;
        }
      }
    }
    if (!value.is_string() || value.get_ref<const std::string&>().size() <= longest) continue;
    longest = value.get_ref<const std::string&>().size();
    likely = key;
  }
  return likely;
}

bool is_list_of(const Json& value, bool (*test)(const Json&)) {
  return value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), test);
}

bool is_id(const Json& value) {
  return value.is_number_integer() || value.is_number_unsigned();
}

bool is_turn(const Json& value) {
  return value.is_object() && std::any_of(std::begin(kTurnTexts), std::end(kTurnTexts),
                                          [&](const char* key) { return value.contains(key); });
}

// A turn's text, or what of its parts is text.
void add_turn(const Json& turn, RecordContent& content, const std::string& where) {
  const Json* said = nullptr;
  for (const char* key : kTurnTexts) {
    if (said == nullptr && turn.contains(key)) said = &turn[key];
  }
  std::string text;
  if (said->is_string()) {
    text = said->get<std::string>();
  } else if (said->is_array()) {
    for (const Json& part : *said) {
      if (part.is_object() && part.contains("text") && part["text"].is_string()) {
        text += (text.empty() ? "" : "\n") + part["text"].get<std::string>();
      } else {
        ++content.left_out_parts;
      }
    }
  } else if (said->is_null()) {  // a turn that only calls a tool
    ++content.left_out_parts;
  } else {
    bad(where, fmt::format("a turn whose content is {}", kind(*said)), "a string or a list of parts");
  }
  if (text.empty()) return;
  if (!content.text.empty()) content.text += kBetweenTurns;
  content.text += text;
}

std::vector<std::int64_t> ids_of(const Json& list, const std::string& where) {
  std::vector<std::int64_t> ids;
  ids.reserve(list.size());
  for (const Json& value : list) {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX)
      bad(where, fmt::format("id {}", value.get<std::uint64_t>()), "a token id");
    ids.push_back(value.get<std::int64_t>());
  }
  return ids;
}

// Padding goes by the mask, which must be one stretch of ones.
void apply_mask(const Json& mask, RecordContent& content, const std::string& where) {
  const auto is_bit = [](const Json& v) { return is_id(v) && (v == 0 || v == 1); };
  if (!mask.is_array() || mask.size() != content.ids.size() || !std::all_of(mask.begin(), mask.end(), is_bit))
    bad(where, "an attention_mask that does not fit its input_ids", "a 0 or 1 for each id");
  const auto one = [](const Json& v) { return v == 1; };
  const auto begin = std::find_if(mask.begin(), mask.end(), one);
  const auto end = std::find_if_not(begin, mask.end(), one);
  if (std::find_if(end, mask.end(), one) != mask.end())
    bad(where, "an attention_mask with a gap", "padding at the ends alone");
  const auto first = begin - mask.begin(), last = end - mask.begin();
  content.ids = {content.ids.begin() + first, content.ids.begin() + last};
}

class Reader {
 public:
  Reader(const std::string& where, const std::function<void(RecordContent&&)>& document)
      : where_(where), document_(document) {}

  // What is at a key, or a record that is no object. `holder`: the object that has the key, or null.
  void content(const Json& value, const std::string& name, const Json* holder) const {
    RecordContent content;
    if (value.is_string()) {
      content.text = value.get<std::string>();
    } else if (is_list_of(value, is_turn)) {
      content.is_chat = true;
      for (const Json& turn : value) add_turn(turn, content, where_);
    } else if (is_list_of(value, is_id)) {
      content.is_ids = true;
      content.ids = ids_of(value, where_);
      if (holder != nullptr && holder->contains("attention_mask"))
        apply_mask((*holder)["attention_mask"], content, where_);
    } else if (is_list_of(value, [](const Json& v) { return is_list_of(v, is_id); })) {
      for (const Json& row : value) this->content(row, name, nullptr);
      return;
    } else {
      bad(where_, fmt::format("{} is {}, not a string", name, kind(value)),
          "a string, a list of turns with \"content\", or a list of token ids",
          holder == nullptr ? kAsText : "remove such records, or name another key with --text-key");
    }
    document_(std::move(content));
  }

  // A key as it stands, else the steps of a.b; a list on the way is gone through.
  void at_path(const Json& value, std::string_view path, const std::string& whole, const Json& record) const {
    if (value.is_array()) {
      for (const Json& element : value) at_path(element, path, whole, record);
      return;
    }
    if (value.is_object()) {
      if (const auto found = value.find(std::string(path)); found != value.end())
        return content(*found, fmt::format("\"{}\"", whole), &value);
      for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
        if (const auto found = value.find(std::string(path.substr(0, dot))); found != value.end())
          return at_path(*found, path.substr(dot + 1), whole, record);
      }
    }
    no_key(record, whole);
  }

  [[noreturn]] void no_key(const Json& record, const std::string& key) const {
    const std::string likely = likely_key(record);
    bad(where_, fmt::format("no key \"{}\"; the keys are {}", key, key_names(record)), "the text at that key",
        likely.empty() ? "name the key with --text-key (a.b goes into objects)"
                       : fmt::format("--text-key {} takes the text there", likely));
  }

 private:
  const std::string& where_;
  const std::function<void(RecordContent&&)>& document_;
};

std::string default_key(const Json& record) {
  if (record.contains("text")) return "text";
  for (const char* key : kChatKeys) {
    if (record.contains(key)) return key;
  }
  return record.contains(kIdsKey) ? kIdsKey : "";
}

}  // namespace

void read_record(std::string_view text, const std::string& key, const std::string& where,
                 const std::function<void(RecordContent&&)>& document) {
  const char* expected = "an object with \"text\", a string, or a list of token ids";
  if (json_deeper_than(text, kMaxJsonDepth))
    bad(where, fmt::format("JSON nested deeper than {}", kMaxJsonDepth), expected, kAsText);
  const auto record = parse(text);
  if (!record) bad(where, reason(text), expected, kAsText);
  const Reader reader(where, document);
  if (!record->is_object()) return reader.content(*record, "the record", nullptr);
  const std::string chosen = key.empty() ? default_key(*record) : key;
  if (chosen.empty()) reader.no_key(*record, "text");
  reader.at_path(*record, chosen, chosen, *record);
}

bool lacks_text(std::string_view text, const std::string& key) {
  if (json_deeper_than(text, kMaxJsonDepth)) return false;
  const auto record = parse(text);
  if (!record || !record->is_object()) return false;
  if (key.empty()) return default_key(*record).empty();
  return !record->contains(key) && !record->contains(key.substr(0, key.find('.')));
}

}  // namespace strata
