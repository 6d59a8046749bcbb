// Writes the reports that the browser test opens: make_fixture DIRECTORY.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "strata/base/file.h"
#include "strata/report/report.h"
#include "tests/support/synthetic_run.h"
#include "tests/support/synthetic_study.h"
#include "tests/support/synthetic_twins.h"

namespace {

// A run without what must be asked for, and a record without what older versions did not write.
strata::Run without_extras() {
  strata::Run run = strata::test::synthetic_run(12);
  run.trace.bottlenecks.clear();
  run.findings.random_twins.clear();
  run.findings.null_profiles.clear();
  run.findings.splits.clear();
  for (strata::DoseCurve& curve : run.trace.curves) curve.top1_agreement = {};
  return run;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_fixture DIRECTORY\n", stderr);
    return 2;
  }
  try {
    const std::filesystem::path directory = argv[1];
    const auto write_page = [&](const char* name, const std::string& html) {
      strata::write_file_atomic(directory / name, html);
    };
    const auto write = [&](const char* name, const strata::Run& run) {
      write_page(name, strata::model_report_html(run, "strata analyze -m invented -f texts"));
    };
    write("full.html", strata::test::synthetic_run(12));
    write("deep.html", strata::test::synthetic_run(80));
    write("undefined.html", strata::test::undefined_run(12));
    strata::Run forced = strata::test::synthetic_run(12);
    forced.findings.segments_forced = true;
    write("forced.html", forced);
    write("plain.html", without_extras());
    write_page("study.html",
               strata::study_report_html(strata::test::synthetic_study(), "strata compare a b"));
    strata::Study empty;
    empty.study.name = "empty";
    empty.study.main_text = "tales";
    for (const bool same : {false, true}) {
      write_page(same ? "twins-identical.html" : "twins.html",
                 strata::twins_report_html(strata::test::synthetic_twins(same), "strata compare a b"));
    }
    write_page("study-empty.html", strata::study_report_html(empty, "strata compare a b"));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_fixture: %s\n", error.what());
    return 1;
  }
  return 0;
}
