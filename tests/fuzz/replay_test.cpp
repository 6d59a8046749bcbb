// Every input of fuzz/corpus through its target: no crash, no exception but Error, and no more memory than
// the size of the input justifies.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <vector>

#include "fuzz/targets.h"
#include "strata/base/file.h"
#include "tests/fuzz/allocations.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

// A tokenizer keeps tables by id with room for 65,536 ids without a token, 32 bytes each; a JSON value
// takes 16 bytes and may be one digit and a comma of text, held in a vector that doubles.
constexpr std::size_t kFixedBytes = std::size_t{6} << 20;
constexpr std::size_t kBytesPerInputByte = 256;

std::vector<fs::path> inputs_of(std::string_view target) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(test::repo_path("fuzz/corpus") / target)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class FuzzReplay : public testing::TestWithParam<fuzz::Target> {};

TEST_P(FuzzReplay, CorpusIsHarmless) {
  const std::vector<fs::path> files = inputs_of(GetParam().name);
  ASSERT_GE(files.size(), 5u);
  GetParam().run("");  // what is built once is not charged to an input
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.filename().string());
    const std::string input = read_file(file, 20'000);
    const std::size_t justified = kFixedBytes + kBytesPerInputByte * input.size();
    const test::PeakAllocation peak;
    const auto start = std::chrono::steady_clock::now();
    GetParam().run(input);
    EXPECT_LE(peak.bytes(), justified);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzReplay, testing::ValuesIn(fuzz::kTargets),
                         [](const auto& row) { return std::string(row.param.name); });

// The measure itself: a vector of a million bytes is seen, and forgotten when it is freed.
TEST(FuzzReplay, SeesAllocations) {
  const test::PeakAllocation peak;
  EXPECT_LT(peak.bytes(), 1'000'000u);
  { const std::vector<char> block(1'000'000); }
  EXPECT_GE(peak.bytes(), 1'000'000u);
  const test::PeakAllocation after;
  EXPECT_LT(after.bytes(), 1'000'000u);
}

}  // namespace
}  // namespace strata
