// Study files, which people write and pass around: TOML, or JSON when the input begins with '{'. And
// study.json, strata's own, when it begins with "{\n" as strata writes it.
#include <string>

#include "fuzz/expect.h"
#include "fuzz/targets.h"
#include "strata/families/study_file.h"
#include "strata/record/study.h"

namespace strata::fuzz {

void study(std::string_view input) {
  if (input.starts_with("{\n")) {
    return expect_error_at_most([&] {
      const Study study = parse_study_json(std::string(input), "study.json");
      const std::string text = study_json(study);
      FUZZ_REQUIRE(study_json(parse_study_json(text, "study.json")) == text);
      FUZZ_REQUIRE(!families_csv(study).empty() && !verdicts_csv(study).empty());
    });
  }
  expect_error_at_most([&] {
    const StudyFile file = parse_study_file(std::string(input), !input.starts_with('{'), "study");
    FUZZ_REQUIRE(!file.texts.empty() && !file.models.empty());
    for (const StudyModel& model : file.models) FUZZ_REQUIRE(model.model.empty() != model.run.empty());
  });
}

}  // namespace strata::fuzz
