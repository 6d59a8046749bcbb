// Damaged copies of every input of fuzz/corpus through its target: what fuzzing does, without a fuzzer and
// always the same. STRATA_MUTATIONS=3000 is the number for each target that docs/robustness.md speaks of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/targets.h"
#include "strata/base/file.h"
#include "strata/base/philox.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr int kUsually = 60;

int mutations() {
  const char* wish = std::getenv("STRATA_MUTATIONS");
  return wish == nullptr ? kUsually : std::max(kUsually, std::atoi(wish));
}

std::vector<std::string> corpus_of(std::string_view target) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(test::repo_path("fuzz/corpus") / target))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> inputs;
  for (const fs::path& file : files) inputs.push_back(read_file(file, 20'000));
  return inputs;
}

// One damage: bits, bytes, a piece cut out, doubled, moved in from another input, or the end gone.
void damage(Philox& dice, const std::vector<std::string>& corpus, std::string& bytes) {
  const auto below = [&](std::size_t n) {
    return static_cast<std::size_t>(dice.below(std::max<std::size_t>(1, n)));
  };
  const std::size_t at = below(bytes.size()), length = 1 + below(std::min<std::size_t>(64, bytes.size()));
  const auto piece = [&](const std::string& from) { return from.substr(below(from.size()), length); };
  static constexpr char kTelling[] = {'\0', '\xff', '\x7f', '\x80', '"',  '{',
                                      '[',  '\\',   '-',    '9',    '\n', '\x1f'};
  switch (below(8)) {
    case 0:
      if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
      break;
    case 1:
      if (!bytes.empty()) bytes[at] = static_cast<char>(below(256));
      break;
    case 2:
      if (!bytes.empty()) bytes[at] = kTelling[below(sizeof(kTelling))];
      break;
    case 3:
      bytes.erase(at, length);
      break;
    case 4:
      bytes.insert(at, piece(bytes));
      break;
    case 5:
      bytes.insert(at, piece(corpus[below(corpus.size())]));
      break;
    case 6:
      bytes.insert(at, 1, kTelling[below(sizeof(kTelling))]);
      break;
    default:
      bytes.resize(at);
  }
}

class Mutation : public testing::TestWithParam<fuzz::Target> {};

TEST_P(Mutation, DamagedFilesAreHarmless) {
  const std::vector<std::string> corpus = corpus_of(GetParam().name);
  ASSERT_FALSE(corpus.empty());
  const int count = mutations();
  for (int i = 0; i < count; ++i) {
    Philox dice({.seed = static_cast<std::uint64_t>(i), .stream = Stream::test, .a = 77});
    std::string bytes = corpus[static_cast<std::size_t>(i) % corpus.size()];
    for (auto steps = 1 + dice.below(6); steps > 0; --steps) damage(dice, corpus, bytes);
    bytes.resize(std::min<std::size_t>(bytes.size(), 8192));
    // What a target finds ends the process; this names the input.
    SCOPED_TRACE(i);
    GetParam().run(bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Mutation, testing::ValuesIn(fuzz::kTargets),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace strata
