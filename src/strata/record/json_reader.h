// JSON text -> plain structs, through the lists of fields, trusting nothing. A struct is read when a `fields`
// overload of this namespace knows it; an enum when names_of lists its values.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/json_depth.h"
#include "strata/record/fields.h"
#include "strata/record/internal.h"

namespace strata::record_json {

using Json = nlohmann::ordered_json;

inline constexpr int kMaxDepth = 32;  // of documents that strata writes: 9
// Replicates are counted here and stored in arrays.npz, so no size of this file speaks for the number.
inline constexpr std::uint64_t kMaxReplicates = 100'000;

// Where the reader is, as a linked list on the stack: text is made only when something is wrong.
struct Path {
  const Path* parent = nullptr;
  const std::string* file = nullptr;  // at the root
  const char* hint = nullptr;         // at the root: what to do about a bad file
  const char* key = nullptr;          // else the key, or the index when it is null
  std::size_t index = 0;

  [[nodiscard]] std::string text() const {
    if (parent == nullptr) return "";
    return parent->text() + (key != nullptr ? fmt::format("/{}", key) : fmt::format("/{}", index));
  }
  [[nodiscard]] const Path& root() const { return parent == nullptr ? *this : parent->root(); }
};

[[noreturn]] inline void bad(const Path& path, std::string found, std::string expected) {
  throw Error(ErrorKind::bad_file, {.where = *path.root().file + ": " + path.text(),
                                    .found = std::move(found),
                                    .expected = std::move(expected),
                                    .hint = path.root().hint});
}

[[noreturn]] inline void bad_type(const Path& path, const Json& value, const char* expected) {
  bad(path, value.is_null() ? "null" : fmt::format("a JSON {}", value.type_name()), expected);
}

inline void read(const Json& value, const Path& path, double& out) {
  if (value.is_null()) {
    out = std::numeric_limits<double>::quiet_NaN();
  } else if (value.is_number()) {
    out = value.get<double>();
    if (!std::isfinite(out)) bad(path, "a number beyond the range of a double", "a finite number or null");
  } else {
    bad_type(path, value, "a number or null");
  }
}

inline void read(const Json& value, const Path& path, std::string& out) {
  if (!value.is_string()) bad_type(path, value, "a string");
  out = value.get<std::string>();
}

inline void read(const Json& value, const Path& path, bool& out) {
  if (!value.is_boolean()) bad_type(path, value, "true or false");
  out = value.get<bool>();
}

template <class T>
requires std::is_integral_v<T>
inline void read(const Json& value, const Path& path, T& out) {
  if (!value.is_number_integer()) bad_type(path, value, "an integer");
  const bool fits = value.is_number_unsigned() ? std::in_range<T>(value.get<std::uint64_t>())
                                               : std::in_range<T>(value.get<std::int64_t>());
  if (!fits) bad(path, value.dump(), fmt::format("an integer of {} bytes", sizeof(T)));
  out = value.get<T>();
}

template <class T>
requires std::is_enum_v<T>
void read(const Json& value, const Path& path, T& out) {
  std::string text;
  read(value, path, text);
  std::string names;
  for (const T candidate : names_of(T{})) {
    if (text == to_string(candidate)) {
      out = candidate;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(to_string(candidate));
  }
  bad(path, "an unknown name", "one of " + names);
}

inline void read(const Json& value, const Path& path, Matrix& out);
template <class T>
inline void read(const Json& value, const Path& path, std::vector<T>& out);
inline void read(const Json& value, const Path& path, std::vector<CkaRecord>& out);
template <class T>
requires std::is_class_v<T>
inline void read(const Json& value, const Path& path, T& out);

class Reader {
 public:
  Reader(const Json& object, const Path& path) : object_(object), path_(path) {}

  template <class T>
  void operator()(const char* key, T& out) {
    const Path path{.parent = &path_, .key = key};
    const auto found = object_.find(key);
    if (found == object_.end()) bad(path, "no such key", "it, as docs/outputs.md says");
    read(*found, path, out);
  }
  template <class T>
  void optional(const char* key, T& out) {
    if (object_.contains(key)) (*this)(key, out);
  }
  template <class T>
  void unless_empty(const char* key, T& out) {
    optional(key, out);
  }
  // Computed again from what is read, so the file's copy is not trusted.
  template <class Compute>
  void derived(const char*, const Compute&) {}
  void count(const char* key, std::vector<Matrix>& out) {
    std::uint64_t n = 0;
    (*this)(key, n);
    if (n > kMaxReplicates) bad({.parent = &path_, .key = key}, fmt::format("{}", n), "a plausible count");
    out.assign(n, Matrix());
  }

 private:
  const Json& object_;
  const Path& path_;
};

inline void read(const Json& value, const Path& path, Matrix& out) {
  std::vector<std::vector<double>> rows;
  read(value, path, rows);
  out = Matrix(rows.size(), rows.empty() ? 0 : rows.front().size());
  for (std::size_t r = 0; r < out.rows; ++r) {
    if (rows[r].size() != out.cols) {
      bad({.parent = &path, .index = r}, fmt::format("{} numbers", rows[r].size()),
          fmt::format("{}, as in the first row", out.cols));
    }
    std::copy(rows[r].begin(), rows[r].end(), out.row(r).begin());
  }
}

template <class T>
inline void read(const Json& value, const Path& path, std::vector<T>& out) {
  if (!value.is_array()) bad_type(path, value, "an array");
  out.resize(value.size());
  for (std::size_t i = 0; i < out.size(); ++i) read(value[i], {.parent = &path, .index = i}, out[i]);
}

// One for each token set and scale: more would each bring room for their replicates.
inline void read(const Json& value, const Path& path, std::vector<CkaRecord>& out) {
  if (value.is_array() && value.size() > names_of(TokenSet{}).size() * names_of(StateScale{}).size()) {
    bad(path, fmt::format("{} matrices", value.size()), "one for each token set and scale");
  }
  read<CkaRecord>(value, path, out);
}

template <class T>
requires std::is_class_v<T>
inline void read(const Json& value, const Path& path, T& out) {
  if (!value.is_object()) bad_type(path, value, "an object");
  Reader reader(value, path);
  fields(reader, out);
}

/// Throws Error(bad_file) for text that is no JSON or nested too deeply.
inline Json parse(const std::string& text, const Path& root) {
  const auto bad_json = [&](std::string found) {
    return Error(ErrorKind::bad_file,
                 {.where = *root.file, .found = std::move(found), .expected = "JSON", .hint = root.hint});
  };
  if (const auto at = json_deeper_than(text, kMaxDepth)) {
    throw bad_json(fmt::format("nested deeper than {} at byte {}", kMaxDepth, *at));
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    throw bad_json(fmt::format("parse error at byte {}", error.byte));
  } catch (const Json::exception&) {
    throw bad_json("a number beyond the range of a double");
  }
}

/// Throws Error(unsupported) for another schema than `expected`.
inline void check_schema(const Json& document, const Path& root, int expected) {
  if (!document.is_object()) bad_type(root, document, "an object");
  int version = 0;
  Reader(document, root)("schema_version", version);
  if (version == expected) return;
  throw Error(ErrorKind::unsupported,
              {.where = *root.file + ": /schema_version",
               .found = fmt::format("{}", version),
               .expected = fmt::format("{}", expected),
               .hint = fmt::format("use the strata that wrote it, or {}", root.hint)});
}

}  // namespace strata::record_json
