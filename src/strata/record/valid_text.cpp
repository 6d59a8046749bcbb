#include "strata/record/valid_text.h"

#include <string>
#include <type_traits>
#include <vector>

#include "strata/base/text.h"
#include "strata/record/divergence_fields.h"
#include "strata/record/fields.h"
#include "strata/record/study_fields.h"

namespace strata {
namespace {

// Goes through the lists of fields, so that a new string cannot be forgotten here.
class Cleaner {
 public:
  template <class T>
  void operator()(const char*, T& value) {
    clean(value);
  }
  template <class T>
  void optional(const char*, T& value) {
    clean(value);
  }
  template <class Compute>
  void derived(const char*, const Compute&) {}
  void count(const char*, std::vector<Matrix>&) {}

  void clean(std::string& text) { text = valid_utf8(text); }
  void clean(Matrix&) {}
  template <class T>
  void clean(std::vector<T>& list) {
    if constexpr (!std::is_arithmetic_v<T> && !std::is_enum_v<T>) {
      for (T& item : list) clean(item);
    }
  }
  template <class T>
  void clean(T& value) {
    if constexpr (std::is_class_v<T>) record_json::fields(*this, value);
  }
};

}  // namespace

void make_text_valid(Run& run) {
  Cleaner().clean(run);
}

void make_text_valid(Study& study) {
  Cleaner().clean(study);
}

void make_text_valid(DivergenceRecord& record) {
  Cleaner().clean(record);
}

}  // namespace strata
