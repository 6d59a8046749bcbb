// The library without the program: measures how brittle each state of a model is on a text, and prints
// the states from the most brittle to the least.
//
//   brittle_layers MODEL_DIRECTORY TEXT
#include <algorithm>
#include <cstdio>
#include <exception>

#include "strata/sweep/measure.h"
#include "strata/theory/kappa.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: brittle_layers MODEL_DIRECTORY TEXT\n");
    return 2;
  }
  try {
    const strata::Checkpoint checkpoint = strata::Checkpoint::open(argv[1]);
    const strata::Tokenizer tokenizer = strata::Tokenizer::from_directory(argv[1]);
    const strata::Corpus corpus = strata::make_corpus(strata::read_documents(argv[2], ""), argv[2], tokenizer,
                                                      {.context = 128, .limit = 4});

    strata::MeasureOptions options;
    options.lane_tokens = 256;
    options.signals = {"residual_rms"};          // no other signal is needed here
    options.interventions = {"relative_noise"};  // the dose curves that kappa is read from
    const strata::Trace trace =
        strata::measure({.checkpoint = checkpoint, .corpus = corpus, .tokenizer = &tokenizer}, options, {});

    auto kappa = strata::estimate_kappa(trace);
    std::erase_if(kappa, [](const auto& k) { return k.kappa != k.kappa; });  // undefined ones
    std::sort(kappa.begin(), kappa.end(), [](const auto& a, const auto& b) { return a.kappa > b.kappa; });
    for (const auto& k : kappa) std::printf("state %2d: kappa %.3f nats\n", k.state, k.kappa);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "brittle_layers: %s\n", error.what());
    return 1;
  }
}
