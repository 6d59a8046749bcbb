// Writes the reports that the browser test opens: make_fixture DIRECTORY.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "strata/base/file.h"
#include "strata/report/report.h"
#include "tests/support/synthetic_run.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_fixture DIRECTORY\n", stderr);
    return 2;
  }
  try {
    const std::filesystem::path directory = argv[1];
    const auto write = [&](const char* name, const strata::Run& run) {
      strata::write_file_atomic(directory / name,
                                strata::model_report_html(run, "strata analyze -m invented -f texts"));
    };
    write("full.html", strata::test::synthetic_run(12));
    write("deep.html", strata::test::synthetic_run(80));
    write("undefined.html", strata::test::undefined_run(12));
    strata::Run forced = strata::test::synthetic_run(12);
    forced.findings.segments_forced = true;
    write("forced.html", forced);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_fixture: %s\n", error.what());
    return 1;
  }
  return 0;
}
