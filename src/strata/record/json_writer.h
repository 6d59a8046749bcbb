// Plain structs -> JSON text, through the lists of fields. A struct is written when a `fields` overload of
// this namespace knows it.
#pragma once

#include <nlohmann/json.hpp>

#include "strata/record/fields.h"
#include "strata/record/internal.h"

namespace strata::record_json {

using Json = nlohmann::ordered_json;

inline Json to_json(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}
inline Json to_json(const std::string& value) {
  return value;
}
template <class T>
requires std::is_integral_v<T> Json to_json(T value) {
  return value;
}
template <class T>
requires std::is_enum_v<T> Json to_json(T value) {
  return to_string(value);
}
[[nodiscard]] Json to_json(const Matrix& matrix);
template <class T>
Json to_json(const std::vector<T>& values);
template <class T>
requires std::is_class_v<T> Json to_json(const T& object);

class Writer {
 public:
  template <class T>
  void operator()(const char* key, const T& value) {
    object_[key] = to_json(value);
  }
  template <class T>
  void optional(const char* key, const T& value) {
    (*this)(key, value);
  }
  template <class T>
  void unless_empty(const char* key, const T& value) {
    if (!is_empty(value)) (*this)(key, value);
  }
  template <class Compute>
  void derived(const char* key, const Compute& compute) {
    object_[key] = to_json(compute());
  }
  void count(const char* key, const std::vector<Matrix>& values) { object_[key] = values.size(); }
  Json take() { return std::move(object_); }

 private:
  static bool is_empty(double value) { return std::isnan(value); }
  static bool is_empty(const Matrix& value) { return value.rows == 0; }
  template <class T>
  static bool is_empty(const T& value) {
    return value.empty();
  }

  Json object_ = Json::object();
};

template <class T>
Json to_json(const std::vector<T>& values) {
  Json array = Json::array();
  for (const T& value : values) array.push_back(to_json(value));
  return array;
}

template <class T>
requires std::is_class_v<T> Json to_json(const T& object) {
  Writer writer;
  fields(writer, object);
  return writer.take();
}

/// One line per key, and one per row of numbers, ending in a line feed: readable, and a diff shows what
/// moved.
[[nodiscard]] std::string write_text(const Json& document);

}  // namespace strata::record_json
