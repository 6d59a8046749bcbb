// strata calibrate as a user runs it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

TEST(CalibrateCommand, TableOnStdoutFilesInTheDirectory) {
  TemporaryDirectory directory;
  const auto output = directory.path() / "calibration";
  const Result result = strata({"calibrate", "--short", "--trials", "2", "--layers", "12", "--kinds",
                                "null,published", "-t", "2", "-o", output.string()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("right_k"), std::string::npos);
  EXPECT_NE(result.out.find("bars met"), std::string::npos);
  EXPECT_EQ(names_in(output),
            (std::vector<std::string>{"calibration.csv", "calibration.json", "nulls.svg", "published.svg"}));
  const auto json = nlohmann::json::parse(slurp(output / "calibration.json"));
  EXPECT_EQ(json["trials"], 2);
  EXPECT_EQ(json["surrogates"], 39);
  EXPECT_EQ(json["rows"].size() + 1, count_lines(slurp(output / "calibration.csv")));
}

TEST(CalibrateCommand, MisuseIsOneLineAndExitCode2) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> misuses = {
      {{"calibrate", "--trials", "0"}, "--trials"},        {{"calibrate", "--layers", "3"}, "--layers"},
      {{"calibrate", "--layers", "many"}, "--layers"},     {{"calibrate", "--detectors", "eye"}, "eye"},
      {{"calibrate", "--kinds", "wishful"}, "wishful"},    {{"calibrate", "--threads", "0"}, "--threads"},
      {{"calibrate", "--surrogates", "3"}, "--surrogates"}};
  for (const auto& [arguments, says] : misuses) {
    const Result result = strata(arguments);
    EXPECT_EQ(result.code, 2) << says;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
    EXPECT_NE(result.err.find(says), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace strata::test
