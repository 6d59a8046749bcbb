#include "strata/record/run_directory.h"

#include <stdexcept>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/record/internal.h"

namespace strata {

std::string results_json(const Run& run) {
  // A record that could not be read back is a bug of whoever filled it, and is best found here.
  record_json::validate(run,
                        [](const std::string& path, const std::string& found, const std::string& expected) {
                          throw std::logic_error(
                              fmt::format("a bug of strata (record {}: {}; expected {}); please report it "
                                          "with the command and strata --version",
                                          path, found, expected));
                        });
  return record_json::write_json(run);
}

Run parse_results_json(const std::string& text, const std::string& where) {
  Run run = record_json::read_json(text, where);
  for (CkaRecord& cka : run.trace.cka) cka.replicates.clear();
  return run;
}

void write_run(const std::filesystem::path& directory, const Run& run) {
  const std::string json = results_json(run);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw Error(ErrorKind::run_failed,
                {.where = directory.string(), .found = "cannot create the directory: " + error.message()});
  }
  write_npz_atomic(directory / "arrays.npz", record_json::arrays_of(run));
  write_file_atomic(directory / "states.csv", states_csv(run));
  write_file_atomic(directory / "blocks.csv", blocks_csv(run));
  write_file_atomic(directory / "edges.csv", edges_csv(run));
  write_file_atomic(directory / "brittleness.csv", brittleness_csv(run));
  write_file_atomic(directory / "rate_distortion.csv", rate_distortion_csv(run));
  write_file_atomic(directory / "results.json", json);  // last: where it is, the others are
}

Run read_run(const std::filesystem::path& directory) {
  const auto json = directory / "results.json";
  const auto npz = directory / "arrays.npz";
  Run run = record_json::read_json(read_file(json), json.string());
  record_json::merge_arrays(read_npz(npz), npz.string(), run);
  return run;
}

}  // namespace strata
