// Goes through every member of a record by the lists of fields that results.json is made from: whoever walks
// so cannot forget a new member.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "strata/record/fields.h"

namespace strata::record_json {

/// What a walk does not go into: it is handed to the visitor as it is, and so is a vector of it.
template <class T>
inline constexpr bool kIsLeaf = std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                                std::is_same_v<T, std::string> || std::is_same_v<T, Matrix>;

/// `Visit` is called with every leaf, and with every vector of leaves (spectra: of matrices, too, of which
/// results.json has the number only); `Resize` with every vector of structs before its items are gone
/// through.
template <class Visit, class Resize>
class FieldWalk {
 public:
  FieldWalk(Visit visit, Resize resize) : visit_(std::move(visit)), resize_(std::move(resize)) {}

  template <class T>
  void walk(T& value) {
    if constexpr (kIsLeaf<T>) {
      visit_(value);
    } else {
      fields(*this, value);
    }
  }
  template <class T>
  void walk(std::vector<T>& list) {
    if constexpr (kIsLeaf<T>) {
      visit_(list);
    } else {
      resize_(list);
      for (T& item : list) walk(item);
    }
  }

  // What the lists of fields call.
  template <class T>
  void operator()(const char*, T& value) {
    walk(value);
  }
  template <class T>
  void optional(const char*, T& value) {
    walk(value);
  }
  template <class T>
  void unless_empty(const char*, T& value) {
    walk(value);
  }
  template <class Compute>
  void derived(const char*, const Compute&) {}
  void count(const char*, std::vector<Matrix>& values) { visit_(values); }

 private:
  Visit visit_;
  Resize resize_;
};

}  // namespace strata::record_json
