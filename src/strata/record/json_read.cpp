// results.json -> Run.
#include "strata/record/json_reader.h"

namespace strata::record_json {

Run read_json(const std::string& text, const std::string& where) {
  const Path root{.file = &where, .hint = "run strata analyze again"};
  const Json document = parse(text, root);
  check_schema(document, root, kSchemaVersion);
  Run run;
  read(document, root, run);
  validate(run, [&](const std::string& path, const std::string& found, const std::string& expected) {
    throw Error(ErrorKind::bad_file, {.where = where + ": " + path,
                                      .found = found,
                                      .expected = expected,
                                      .hint = "run strata analyze again"});
  });
  return run;
}

}  // namespace strata::record_json
