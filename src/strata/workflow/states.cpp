#include "strata/workflow/states.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "strata/base/error.h"
#include "strata/sweep/state_stream.h"
#include "strata/workflow/scratch_directory.h"
#include "strata/workflow/text.h"

namespace strata {

void for_each_state(const Model& model, const Text& text, const std::vector<int>& states,
                    const StateObserver& observer, const Resources& resources, const Progress& progress) {
  if (states.empty()) return;
  for (const int state : states) {
    if (state < 0 || state > model.blocks()) {
      throw Error(ErrorKind::usage, {.option = "states",
                                     .found = fmt::format("state {}", state),
                                     .expected = fmt::format("0 to {}", model.blocks())});
    }
  }
  std::vector<std::vector<std::int32_t>> windows;
  for (const Window& window : text.loaded().corpus.windows) windows.push_back(window.ids);
  const ScratchDirectory scratch;
  StateStreamOptions options;
  options.last_state = *std::max_element(states.begin(), states.end());
  options.scratch = scratch.path();
  options.threads = resources.threads != 0
                        ? resources.threads
                        : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  options.progress = progress;
  StateStreamObserver shown;
  shown.begin_state = [](int) {};
  shown.end_state = [](int) {};
  shown.state = [&](int state, std::size_t window, std::span<const float> h) {
    if (std::find(states.begin(), states.end(), state) != states.end()) observer(state, window, h);
  };
  stream_states(model.checkpoint(), windows, options, shown);
}

}  // namespace strata
