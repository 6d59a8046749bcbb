#include "strata/theory/edge_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "strata/base/words.h"
#include "strata/record/trace.h"
#include "strata/theory/edge_changes.h"

namespace strata {
namespace {

constexpr std::array kWords = {
    SignalWords{"attention_distance", "distance", "attention reaches further",
                "attention becomes more local"},
    SignalWords{"attention_entropy", "entropy", "attention spreads over more tokens",
                "attention becomes sharper"},
    SignalWords{"cka_shift", "1 - CKA a block", "blocks change the similarity of states more",
                "blocks change the similarity of states less"},
    SignalWords{"angular_step", "angle a block, in pi", "blocks turn the state more",
                "blocks turn the state less"},
    SignalWords{"block_influence", "1 - cosine a block", "blocks turn the state more",
                "blocks turn the state less"},
    SignalWords{"update_ratio", "update over state", "blocks add more to the state",
                "blocks add less to the state"},
    SignalWords{"curvature", "angle, in pi", "the path from token to token bends more",
                "the path from token to token straightens"},
    SignalWords{"adjacent_mi", "mutual information", "a block keeps more of what its input says",
                "a block keeps less of what its input says"},
    SignalWords{"matrix_entropy", "matrix entropy", "states spread over more directions",
                "states gather in fewer directions"},
    SignalWords{"participation_ratio", "directions", "states spread over more directions",
                "states gather in fewer directions"},
    SignalWords{"effective_rank", "effective rank", "states spread over more directions",
                "states gather in fewer directions"},
    SignalWords{"lens_entropy", "lens entropy", "the prediction gets less certain",
                "the prediction sharpens"},
    SignalWords{"lens_kl", "lens KL", "the prediction moves away from the final one", "the prediction forms"},
    SignalWords{"lens_information", "lens information", "states say more about the next token",
                "states say less about the next token"},
};

constexpr double kCarries = 0.5;  // of the largest group's gain
constexpr double kStands = 2.0;   // a jump of the states against those beside it
constexpr std::size_t kMostChanges = 3;

// Notable, and seen in the levels as well, in more than these documents: a drift inside the segments may undo
// a step.
bool shows(const SignalChange& signal) {
  if (signal.step_interval_90.lo * signal.step_interval_90.hi <= 0.0) return false;  // NaN: not known
  return std::abs(signal.step_sigmas) >= kNotableSigmas && signal.step * signal.step_sigmas > 0.0;
}

// The largest change of each group, the largest first.
std::vector<const SignalChange*> main_changes(const EdgeChange& change) {
  std::vector<const SignalChange*> chosen;
  for (const GroupGain& group : change.groups) {
    const SignalChange* largest = nullptr;
    for (const SignalChange& signal : change.signals) {
      if (signal.group != group.group || !shows(signal)) continue;
      if (largest == nullptr || std::abs(signal.step_sigmas) > std::abs(largest->step_sigmas))
        largest = &signal;
    }
    if (largest != nullptr) chosen.push_back(largest);
  }
  std::stable_sort(chosen.begin(), chosen.end(), [](const auto* a, const auto* b) {
    return std::abs(a->step_sigmas) > std::abs(b->step_sigmas);
  });
  if (chosen.size() > kMostChanges) chosen.resize(kMostChanges);
  return chosen;
}

std::string describe(const SignalChange& signal) {
  const SignalWords words = words_of(signal.signal);
  const std::string pair = show_pair(signal.before, signal.after);
  const auto& change = signal.step_sigmas > 0.0 ? words.up : words.down;
  if (words.number.empty()) return fmt::format("{} {} ({})", signal.signal, change, pair);
  return fmt::format("{} ({} {})", change, words.number, pair);
}

std::string carriers(const EdgeChange& change) {
  std::vector<std::string> names;
  for (const GroupGain& group : change.groups) {
    const bool notable = std::any_of(change.signals.begin(), change.signals.end(),
                                     [&](const auto& s) { return s.group == group.group && shows(s); });
    if (notable && group.gain >= kCarries * change.groups.front().gain)
      names.emplace_back(to_string(group.group));
  }
  if (names.empty()) return {};
  return enumerated(names) + (names.size() == 1 ? " carries it" : " carry it");
}

}  // namespace

SignalWords words_of(std::string_view id) {
  const auto found =
      std::find_if(kWords.begin(), kWords.end(), [&](const SignalWords& words) { return words.id == id; });
  return found != kWords.end() ? *found : SignalWords{id, "", "rises", "falls"};
}

std::string show_value(double value) {
  if (!std::isfinite(value)) return "undefined";
  if (value == 0.0) return "0";
  if (std::abs(value) >= 10.0 && std::abs(value) < 1e5) return fmt::format("{:.0f}", value);
  return fmt::format("{:#.2g}", value);
}

std::string show_pair(double before, double after) {
  const double small = std::min(std::abs(before), std::abs(after)),
               large = std::max(std::abs(before), std::abs(after));
  if (!(small > 0.0) || !(large < 10.0) || small < 1e-3 || large > 100.0 * small)
    return show_value(before) + " to " + show_value(after);
  const int decimals = std::clamp(1 - static_cast<int>(std::floor(std::log10(small))), 1, 4);
  return fmt::format("{:.{}f} to {:.{}f}", before, decimals, after, decimals);
}

std::string edge_sentence(const EdgeChange& change, const EdgeEstimate& estimate) {
  std::vector<std::string> parts;
  for (const SignalChange* signal : main_changes(change)) parts.push_back(describe(*signal));
  const bool by_states = estimate.found_by == "states" || estimate.found_by == "both";
  if (by_states && change.state_jump > kStands * change.state_usual) {
    parts.push_back(fmt::format("states jump in block {} (1 - CKA {}, in the blocks beside it {})",
                                change.edge, show_value(change.state_jump), show_value(change.state_usual)));
  }
  if (parts.empty()) {
    parts.push_back(by_states ? "the similarity of states changes, no single signal does by 3 layer sigmas"
                              : "no single signal changes by 3 layer sigmas; many change a little");
  }
  std::string text =
      fmt::format("{} {}: {}", change.forced ? "Forced edge" : "Edge", change.edge, enumerated(parts));
  if (const std::string who = carriers(change); !who.empty()) text += "; " + who;
  if (std::isfinite(estimate.p_value))
    text += fmt::format("{}p = {:.2g}{}", text.back() == ')' ? "; " : ", ", estimate.p_value,
                        change.forced ? ", no boundary" : "");
  if (!change.lasting) text += "; one odd block, the blocks behind it are as those before it";
  if (change.with_sinks == "no") text += "; not found when sink tokens are counted";
  return text + ".";
}

}  // namespace strata
