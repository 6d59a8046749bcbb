// states MODEL TEXT STATE...: the mean size (RMS) of the residual stream at some states.
#include <strata/strata.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 4) return std::fputs("usage: states MODEL TEXT STATE...\n", stderr), 2;
  const strata::Model model = strata::Model::open(argv[1]);
  const strata::Text text = strata::load_text(model, {.path = argv[2], .context = 128, .limit = 4});
  std::vector<int> states;
  for (int i = 3; i < argc; ++i) states.push_back(std::atoi(argv[i]));
  const auto width = static_cast<std::size_t>(model.hidden());
  std::mutex mutex;
  std::map<int, double> sum;
  strata::for_each_state(model, text, states,
                         [&](int state, std::size_t /*window*/, std::span<const float> h) {
                           double of_window = 0.0;
                           for (std::size_t token = 0; token < h.size(); token += width) {
                             double square = 0.0;
                             for (const float x : h.subspan(token, width))
                               square += static_cast<double>(x) * x;
                             of_window += std::sqrt(square / static_cast<double>(width));
                           }
                           const std::lock_guard lock(mutex);  // windows come from several threads
                           sum[state] += of_window;
                         });
  for (const auto& [state, total] : sum) {
    std::printf("state %2d: RMS %.3f\n", state, total / static_cast<double>(text.tokens()));
  }
} catch (const strata::Error& error) {
  std::fprintf(stderr, "states: %s\n", error.what());
  return strata::exit_code(error.kind());
}
