// own_signal MODEL TEXT: a signal that strata does not have, measured beside its own. The share of a token's
// energy that lies in its largest coordinate: 1/width where all are equal, 1 where one holds everything.
#include <strata/strata.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

double largest_share(std::span<const float> h, std::span<const float> /*behind a block*/) {
  double largest = 0.0, sum = 0.0;
  for (const float x : h) {
    largest = std::max(largest, static_cast<double>(x) * x);
    sum += static_cast<double>(x) * x;
  }
  return sum > 0.0 ? largest / sum : std::nan("");
}

int main(int argc, char** argv) try {
  if (argc != 3) return std::fputs("usage: own_signal MODEL TEXT\n", stderr), 2;
  strata::add_token_signal({.id = "largest_coordinate", .unit = "share", .value = largest_share});
  const strata::Model model = strata::Model::open(argv[1]);
  const strata::Text text = strata::load_text(model, {.path = argv[2]});
  strata::Request request;
  request.signals = {"largest_coordinate"};
  request.clean_only = true;
  request.null_models = "0";
  request.shuffled_text = "none";
  const strata::Run run = strata::analyze(model, text, request);
  for (const strata::Series& series : run.trace.series) {
    if (series.id != "largest_coordinate" || series.tokens != strata::TokenSet::ordinary) continue;
    const auto mean = strata::weighted_mean(series.by_doc, series.weight);
    for (std::size_t state = 0; state < mean.size(); ++state) {
      std::printf("state %2zu: %.4f of a token's energy in its largest coordinate\n", state, mean[state]);
    }
  }
} catch (const strata::Error& error) {
  std::fprintf(stderr, "own_signal: %s\n", error.what());
  return strata::exit_code(error.kind());
}
