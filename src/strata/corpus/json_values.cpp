#include "strata/corpus/json_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/json_depth.h"
#include "strata/corpus/text_input.h"

namespace strata {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Follows a value byte by byte.
class ValueEnd {
 public:
  // Whether `c` is still part of the value; `ended` is set with its last byte, or where the byte after it
  // came.
  bool take(char c) {
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
        ended = depth_ == 0;
      }
      return true;
    }
    if (bare_) {  // a number, a word, or what is no JSON: to the next mark
      if (is_space(c) || c == ',' || c == ']' || c == '}') {
        ended = true;
        return false;
      }
      return true;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') {
      --depth_;
      ended = depth_ <= 0;
    }
    if (depth_ == 0 && !in_string_ && !ended) bare_ = true;
    return true;
  }
  bool ended = false;
  /// A line break inside a string, which JSON does not have: the value is broken.
  [[nodiscard]] bool broken_by(char c) const { return in_string_ && c == '\n'; }

 private:
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false, bare_ = false;
};

// The file's bytes with a window on them.
class Cursor {
 public:
  explicit Cursor(TextInput& input) : input_(input) {}
  // The byte under the cursor, or nothing at the end.
  std::optional<char> peek() {
    if (at_ == buffer_.size()) {
      if (at_ > 0) buffer_.erase(0, at_);
      offset_ += at_;
      at_ = 0;
      if (!input_.read(buffer_)) return std::nullopt;
    }
    return buffer_[at_];
  }
  void next() {
    if (buffer_[at_] == '\n') ++line_;
    ++at_;
  }
  [[nodiscard]] std::size_t line() const { return line_; }
  [[nodiscard]] std::size_t offset() const { return offset_ + at_; }

 private:
  TextInput& input_;
  std::string buffer_;
  std::size_t at_ = 0, offset_ = 0, line_ = 1;
};

std::string take_value(Cursor& cursor, std::uint64_t limit_bytes, const std::string& where) {
  std::string text;
  ValueEnd end;
  while (const auto c = cursor.peek()) {
    if (end.broken_by(*c)) break;
    if (!end.take(*c)) break;
    text += *c;
    cursor.next();
    if (end.ended) break;
    if (text.size() > limit_bytes) {
      throw Error(ErrorKind::out_of_memory,
                  {.where = fmt::format("{}: line {}", where, cursor.line()),
                   .found = fmt::format("one value of more than {} bytes", limit_bytes),
                   .expected = "a record that fits in memory",
                   .hint = "write JSON lines, or raise --mem-limit"});
    }
  }
  return text;
}

}  // namespace

std::optional<std::size_t> json_value_size(std::string_view text) {
  ValueEnd end;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!end.take(text[i])) return i;
    if (end.ended) return i + 1;
  }
  return std::nullopt;
}

bool is_json(std::string_view text) {
  return !json_deeper_than(text, kMaxJsonDepth) && nlohmann::json::accept(text);
}

bool is_json_object_start(std::string_view text) {
  const auto skip = [](std::string_view s) {
    s.remove_prefix(std::min(s.find_first_not_of(" \t\r\n"), s.size()));
    return s;
  };
  if (!text.starts_with('{')) return false;
  text = skip(text.substr(1));
  if (text.starts_with('}')) return true;
  if (!text.starts_with('"')) return false;
  const auto size = json_value_size(text);
  return !size || skip(text.substr(*size)).starts_with(':');
}

void for_each_json_value(TextInput& input, std::uint64_t limit_bytes,
                         const std::function<void(std::string_view text, const JsonPlace& place)>& value) {
  Cursor cursor(input);
  JsonPlace place;
  bool in_list = false;
  for (const char mark : kByteOrderMark) {
    if (cursor.peek() == mark) cursor.next();
  }
  while (const auto c = cursor.peek()) {
    if (is_space(*c) || (in_list && *c == ',')) {
      cursor.next();
      continue;
    }
    if (in_list && *c == ']') {
      cursor.next();
      in_list = false;
      place.element = 0;
      continue;
    }
    place.line = cursor.line();
    place.offset_bytes = cursor.offset();
    if (!in_list) ++place.top_value;
    if (!in_list && *c == '[') {
      in_list = true;
      place.element = 0;
      cursor.next();
      continue;
    }
    if (in_list) ++place.element;
    std::string text = take_value(cursor, limit_bytes, input.where());
    if (text.empty()) {  // a mark out of place: no value begins with it
      text += *c;
      cursor.next();
    }
    value(text, place);
  }
  if (in_list) {
    throw Error(ErrorKind::bad_file,
                {.where = input.where(),
                 .found = fmt::format("a JSON list that does not end (line {})", cursor.line()),
                 .expected = "a list with its ']'",
                 .hint = "copy or download it again; --text-format text measures a "
                         "text as it is"});
  }
}

}  // namespace strata
