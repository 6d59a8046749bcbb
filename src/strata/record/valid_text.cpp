#include "strata/record/valid_text.h"

#include <string>
#include <type_traits>
#include <vector>

#include "strata/base/text.h"
#include "strata/record/divergence_fields.h"
#include "strata/record/study_fields.h"
#include "strata/record/walk_fields.h"

namespace strata {
namespace {

template <class Record>
void clean(Record& record) {
  const auto leaf = [](auto& value) {
    using Value = std::remove_reference_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, std::string>) {
      value = valid_utf8(value);
    } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
      for (std::string& text : value) text = valid_utf8(text);
    }
  };
  record_json::FieldWalk(leaf, [](auto&) {}).walk(record);
}

}  // namespace

void make_text_valid(Run& run) {
  clean(run);
}

void make_text_valid(Study& study) {
  clean(study);
}

void make_text_valid(DivergenceRecord& record) {
  clean(record);
}

}  // namespace strata
