// docs/real_model.md against the record that it was written from, and that record's cheap parts against a
// measurement of now. tests/golden/smollm2/run.json is made by scripts/real-figures.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "strata/base/file.h"
#include "strata/corpus/corpus.h"
#include "strata/sweep/measure.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

nlohmann::json stored_run() {
  return nlohmann::json::parse(read_file(test::repo_path("tests/golden/smollm2/run.json")));
}

// Every run of spaces and line ends as one space.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space || (!line.empty() && line.back() != ' ')) line += space ? ' ' : c;
  }
  return line;
}

TEST(RealModelPage, SaysWhatTheRecordSays) {
  const std::string page = one_line(read_file(test::repo_path("docs/real_model.md")));
  const auto says = stored_run()["says"];
  EXPECT_GE(says.size(), 20u);
  for (const auto& phrase : says)
    EXPECT_NE(page.find(one_line(phrase.get<std::string>())), std::string::npos) << phrase;
}

TEST(RealModelPage, TheRecordIsOfThisProgram) {
  const auto path = test::real_model();
  if (!path) GTEST_SKIP() << test::kNoRealModel;
  const auto stored = stored_run()["first_document"];
  const Checkpoint checkpoint = Checkpoint::open(*path);
  const Tokenizer tokenizer = Tokenizer::for_model(*path);
  CorpusBuilder builder("tales", {}, checkpoint.config().vocab,
                        [&]() -> const Tokenizer& { return tokenizer; });
  builder.add(std::move(read_documents(test::repo_path("texts/tales/01.txt"), "").front()));
  MeasureOptions options{.threads = 2};
  options.signals = {"block_influence", "residual_rms"};
  options.clean_only = true;
  const Trace trace = measure({.checkpoint = checkpoint, .corpus = builder.finish()}, options, nullptr);
  EXPECT_EQ(trace.documents[0].tokens, stored["tokens"]);
  EXPECT_NEAR(trace.documents[0].nll_nats, stored["nll_nats"].get<double>(), 1e-6);
  int compared = 0;
  for (const Series& series : trace.series) {
    if (series.tokens != TokenSet::ordinary || !stored.contains(series.id)) continue;
    for (std::size_t i = 0; i < series.by_doc.cols; ++i) {
      EXPECT_NEAR(series.by_doc(0, i) / stored[series.id][i].get<double>(), 1.0, 1e-4)
          << series.id << ' ' << i;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 30 + 31);
}

}  // namespace
}  // namespace strata
