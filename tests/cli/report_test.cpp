// strata report as a user runs it: each kind of directory, from its record alone.
#include <gtest/gtest.h>

#include "strata/record/divergence.h"
#include "strata/record/run_directory.h"
#include "strata/record/study.h"
#include "tests/cli/program.h"
#include "tests/support/synthetic_run.h"
#include "tests/support/synthetic_study.h"
#include "tests/support/synthetic_twins.h"

namespace strata::test {
namespace {

TEST(ReportCommand, MakesThePageOfEachKindAgain) {
  const TemporaryDirectory directory;
  const auto at = [&](const char* name) { return directory.path() / name; };
  write_run(at("model"), synthetic_run(8));
  write_study(at("study"), synthetic_study());
  write_divergence(at("twins"), synthetic_twins(false));
  for (const char* kind : {"model", "study", "twins"})
    write_text(at(kind) / "manifest.json",
               R"({"schema_version": 1, "tool": {"name": "strata"}, "command_line": "strata as it was"})");
  const Result result = strata({"report", at("model").string(), at("study").string(), at("twins").string()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(count_lines(result.err), 3u) << result.err;
  for (const std::string kind : {"model", "study", "twins"}) {
    const std::string html = slurp(at(kind.c_str()) / "report.html");
    EXPECT_NE(html.find("\"page\":\"" + kind + "\""), std::string::npos) << kind;
    EXPECT_NE(html.find("strata as it was"), std::string::npos) << kind;
  }
}

TEST(ReportCommand, WhatIsNoRecordOrOfAnotherSchemaIsOneLine) {
  const TemporaryDirectory directory;
  const Result empty = strata({"report", directory.path().string()});
  EXPECT_EQ(empty.code, 3);
  EXPECT_EQ(count_lines(empty.err), 1u) << empty.err;
  EXPECT_NE(empty.err.find("study.json"), std::string::npos) << empty.err;
  write_text(directory.path() / "manifest.json",
             R"({"schema_version": 1, "tool": {"name": "strata"}, "command_line": "x"})");
  write_text(directory.path() / "study.json", R"({"schema_version": 99})");
  const Result later = strata({"report", directory.path().string()});
  EXPECT_NE(later.code, 0);
  EXPECT_NE(later.err.find("schema_version"), std::string::npos) << later.err;
  EXPECT_NE(later.err.find("99"), std::string::npos) << later.err;
}

}  // namespace
}  // namespace strata::test
