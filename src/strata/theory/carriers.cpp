#include "strata/theory/carriers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "strata/base/words.h"

namespace strata {
namespace {

constexpr double kStillLarge = 5.0;    // of SinkPath::ratio: a sink that has been written is not gone
constexpr double kMassive = 10.0;      // of SinkPath::ratio: the mask's own threshold
constexpr double kFewShare = 0.05;     // the tokens behind CarrierDirection::few_tokens
constexpr std::size_t kMostWords = 3;  // named of one event

std::string name_of(const std::string& text, std::int32_t token_id) {
  return text.empty() ? fmt::format("token {}", token_id) : text;
}

// ---- Rogue dimensions ----

// Words that hold more of the direction than their number explains, and enough of it to be named.
std::vector<const CarrierWord*> heavy_words(const StateCarrier& state) {
  std::vector<const CarrierWord*> words;
  for (const CarrierWord& word : state.dimension.words) {
    const double expected = static_cast<double>(word.occurrences) / static_cast<double>(state.n_tokens);
    if (word.share > 0.1 && word.share > 3.0 * expected && words.size() < kMostWords) words.push_back(&word);
  }
  return words;
}

// Share of the state's energy that few tokens hold in its leading dimension beyond what their number
// explains; 0 where they do not hold much of the dimension.
double excess(const StateCarrier& state) {
  double held = 0.0, expected = 0.0;
  for (const CarrierWord* word : heavy_words(state)) {
    held += word->share;
    expected += static_cast<double>(word->occurrences) / static_cast<double>(state.n_tokens);
  }
  const CarrierDirection& d = state.dimension;
  const bool few = d.few_tokens > kRogueShare || held > kRogueShare;
  return few ? d.share * std::max(held - expected, d.few_tokens - kFewShare) : 0.0;
}

// By state; nullptr where the record has none.
std::vector<const StateCarrier*> by_state(const Trace& trace, TokenSet tokens) {
  std::vector<const StateCarrier*> states(static_cast<std::size_t>(trace.n_layers()) + 1, nullptr);
  for (const StateCarrier& carrier : trace.carriers) {
    if (carrier.tokens == tokens) states[static_cast<std::size_t>(carrier.state)] = &carrier;
  }
  return states;
}

// By what factor (logarithm) the few tokens' size in the leading dimension falls in a block; NaN where
// another dimension leads on one of its sides.
double fall(const std::vector<const StateCarrier*>& states, std::size_t block) {
  const StateCarrier *in = states[block], *out = block + 1 < states.size() ? states[block + 1] : nullptr;
  if (in == nullptr || out == nullptr || in->dimension.dimension != out->dimension.dimension) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return std::log(in->dimension.few_size / out->dimension.few_size);
}

// A run of states is cut by a threshold, which may be crossed a block early or late: where the size of the
// few tokens falls (sign 1) or rises (sign -1) by kRemoved or more in one of the run's blocks, the largest
// such step is the one, else `usual`.
std::size_t step_block(const std::vector<const StateCarrier*>& states, std::size_t begin, std::size_t end,
                       double sign, std::size_t usual) {
  std::size_t block = usual;
  double largest = std::log(kRemoved);
  for (std::size_t b = begin; b < end && b + 1 < states.size(); ++b) {
    const double step = sign * fall(states, b);
    if (step > largest) {
      largest = step;
      block = b;
    }
  }
  return block;
}

CarrierEvent rogue_event(const std::vector<const StateCarrier*>& states, std::size_t first,
                         std::size_t last) {
  CarrierEvent event;
  event.kind = "rogue_dimension";
  event.dimension = states[first]->dimension.dimension;
  event.first_state = static_cast<int>(first);
  event.last_state = static_cast<int>(last);
  if (first > 0) {
    const bool led_before = !std::isnan(fall(states, first - 1));
    const std::size_t writes = led_before ? step_block(states, first - 1, last, -1.0, first - 1) : first - 1;
    event.written_by = {static_cast<int>(writes)};
    event.first_state = static_cast<int>(writes) + 1;
  }
  if (last + 1 < states.size()) {
    const std::size_t removes =
        step_block(states, static_cast<std::size_t>(event.first_state), last + 2, 1.0, last);
    event.removed_by = {static_cast<int>(removes)};
    event.last_state = static_cast<int>(removes);
  }
  const StateCarrier* peak = states[first];
  for (std::size_t s = first; s <= last; ++s) {
    if (excess(*states[s]) > excess(*peak)) peak = states[s];
  }
  double held = 0.0, count = 0.0;
  for (const CarrierWord* word : heavy_words(*peak)) {
    event.words.push_back(name_of(word->text, word->token_id));
    held += word->share;
    count += static_cast<double>(word->count);
  }
  const bool named = !event.words.empty();
  event.token_share = named ? count / static_cast<double>(peak->n_tokens) : kFewShare;
  event.peak_share = peak->dimension.share * (named ? held : peak->dimension.few_tokens);
  return event;
}

void add_rogue(const Trace& trace, std::vector<CarrierEvent>& events) {
  const auto states = by_state(trace, TokenSet::ordinary);
  const auto rogue = [&](std::size_t s) { return states[s] != nullptr && excess(*states[s]) > kRogueEnergy; };
  for (std::size_t first = 0; first < states.size(); ++first) {
    if (!rogue(first)) continue;
    std::size_t last = first;
    while (last + 1 < states.size() && rogue(last + 1) &&
           states[last + 1]->dimension.dimension == states[first]->dimension.dimension) {
      ++last;
    }
    events.push_back(rogue_event(states, first, last));
    first = last;
  }
}

// ---- Sinks ----

CarrierEvent sink_event(const SinkPath& path, std::size_t first, std::size_t last) {
  CarrierEvent event;
  event.kind = "sink";
  event.first_position = path.first_position;
  if (path.token_id >= 0) event.words = {name_of(path.text, path.token_id)};
  const auto& length = path.length;
  const auto peak =
      static_cast<std::size_t>(std::max_element(length.begin() + static_cast<std::ptrdiff_t>(first),
                                                length.begin() + static_cast<std::ptrdiff_t>(last) + 1) -
                               length.begin());
  event.dimension = path.dimension[peak];
  event.first_state = static_cast<int>(first);
  event.last_state = static_cast<int>(last);
  event.peak_ratio = *std::max_element(path.ratio.begin() + static_cast<std::ptrdiff_t>(first),
                                       path.ratio.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  for (std::size_t block = first == 0 ? 0 : first - 1; block < peak; ++block) {
    if (length[block + 1] > kWritten * length[block]) event.written_by.push_back(static_cast<int>(block));
  }
  // Grown little by little: the block that makes it massive.
  if (event.written_by.empty() && first > 0) event.written_by = {static_cast<int>(first) - 1};
  if (!event.written_by.empty()) {
    event.before = length[static_cast<std::size_t>(event.written_by.front())];
    event.after = length[static_cast<std::size_t>(event.written_by.back()) + 1];
  }
  if (last + 1 < length.size() || !(path.ratio[last] > kMassive)) {
    const auto falls = [&](std::size_t block) {
      return block + 1 < length.size() && length[block] > kRemoved * length[block + 1];
    };
    for (std::size_t block = peak; block <= last; ++block) {
      if (falls(block)) event.removed_by.push_back(static_cast<int>(block));
    }
    for (std::size_t block = last + 1; !event.removed_by.empty() && falls(block); ++block) {
      event.removed_by.push_back(static_cast<int>(block));
    }
  }
  if (!event.removed_by.empty()) event.last_state = event.removed_by.back();
  const double most = *std::max_element(path.massive.begin() + static_cast<std::ptrdiff_t>(first),
                                        path.massive.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  event.token_share =
      path.of > 0 ? most * static_cast<double>(path.tokens) / static_cast<double>(path.of) : 0.0;
  return event;
}

void add_sinks(const Trace& trace, std::vector<CarrierEvent>& events) {
  const std::size_t begin = events.size();
  for (const SinkPath& path : trace.sink_paths) {
    for (std::size_t first = 0; first < path.ratio.size(); ++first) {
      if (!(path.ratio[first] > kMassive)) continue;
      std::size_t last = first;
      while (last + 1 < path.ratio.size() && path.ratio[last + 1] > kStillLarge) ++last;
      CarrierEvent event = sink_event(path, first, last);
      first = last;
      // Words with the same story are told together.
      const auto same =
          std::find_if(events.begin() + static_cast<std::ptrdiff_t>(begin), events.end(), [&](const auto& e) {
            return !e.first_position && !event.first_position && !event.words.empty() && !e.words.empty() &&
                   e.dimension == event.dimension && e.written_by == event.written_by &&
                   e.removed_by == event.removed_by;
          });
      if (same == events.end()) {
        events.push_back(std::move(event));
      } else if (same->words.size() < kMostWords) {
        same->words.push_back(event.words[0]);
        same->peak_ratio = std::max(same->peak_ratio, event.peak_ratio);
      }
    }
  }
}

// ---- Words ----

std::string blocks_of(const std::vector<int>& blocks) {
  std::vector<std::string> parts;
  for (const int block : blocks) parts.push_back(std::to_string(block));
  return (blocks.size() == 1 ? "block " : "blocks ") + enumerated(parts);
}

std::string quoted(const std::vector<std::string>& words) {
  std::vector<std::string> parts;
  for (const std::string& word : words) parts.push_back("\"" + word + "\"");
  return enumerated(parts);
}

std::string percent(double share) {
  if (share > 0.0 && share < 0.001) return "less than 0.1%";
  return share < 0.0995 ? fmt::format("{:.1f}%", 100.0 * share) : fmt::format("{:.0f}%", 100.0 * share);
}

// "106", "24,410"
std::string length_of(double value) {
  if (value < 100.0) return fmt::format("{:.3g}", value);
  std::string digits = fmt::format("{:.0f}", value);
  for (std::ptrdiff_t at = std::ssize(digits) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string rogue_sentence(const CarrierEvent& e) {
  const std::string who = e.words.empty() ? "a few ordinary tokens" : quoted(e.words);
  const std::string from =
      e.written_by.empty() ? "from the embedding on"
      : e.removed_by.empty()
          ? fmt::format("from {}, which writes it, to the last one", blocks_of(e.written_by))
          : fmt::format("between {}, which writes it,", blocks_of(e.written_by));
  const std::string to =
      e.removed_by.empty()
          ? ""
          : fmt::format("{}, which removes it",
                        (e.written_by.empty() ? " up to " : " and ") + blocks_of(e.removed_by));
  return fmt::format("Dimension {} of {} ({} of the tokens) holds up to {} of the energy {}{}.", e.dimension,
                     who, percent(e.token_share), percent(e.peak_share), from, to);
}

std::string sink_sentence(const CarrierEvent& e) {
  const std::string who = e.first_position ? "position 0" : e.words.empty() ? "a token" : quoted(e.words);
  const std::string share =
      e.token_share > 0.995
          ? (e.first_position ? "all windows" : "every occurrence")
          : percent(e.token_share) + (e.first_position ? " of the windows" : " of the occurrences");
  const std::string what = e.first_position ? "the attention sink" : "a massive activation";
  const std::string removed =
      !e.removed_by.empty()
          ? fmt::format("{} {} it", blocks_of(e.removed_by), e.removed_by.size() == 1 ? "removes" : "remove")
          : fmt::format("no block removes it, and it is large up to state {}", e.last_state);
  if (e.written_by.empty()) {
    return fmt::format(
        "The embedding of {} is massive already (dimension {}, {:.0f} times the median token, {}); {}.", who,
        e.dimension, e.peak_ratio, share, removed);
  }
  return fmt::format(
      "{} {} {}: {} grows from {} to {} (vector length; dimension {}, up to {:.0f} times the median token, "
      "{}); {}.",
      (e.written_by.size() == 1 ? "Block " : "Blocks ") +
          blocks_of(e.written_by).substr(e.written_by.size() == 1 ? 6 : 7),
      e.written_by.size() == 1 ? "writes" : "write", what, who, length_of(e.before), length_of(e.after),
      e.dimension, e.peak_ratio, share, removed);
}

}  // namespace

std::vector<CarrierEvent> carrier_events(const Trace& trace) {
  std::vector<CarrierEvent> events;
  add_rogue(trace, events);
  add_sinks(trace, events);
  return events;
}

std::vector<std::string> carrier_sentences(const Trace& trace, const Findings& findings) {
  std::vector<std::string> sentences;
  for (const CarrierEvent& event : findings.carriers)
    sentences.push_back(event.kind == "sink" ? sink_sentence(event) : rogue_sentence(event));
  const auto some = [](const MaskCount& count) { return count.tokens > 0; };
  if (std::any_of(trace.mask_counts.begin(), trace.mask_counts.end(), some)) {
    std::vector<std::string> counts;
    for (const MaskCount& count : trace.mask_counts)
      counts.push_back(fmt::format("{} above {:g} times", count.tokens, count.ratio));
    sentences.push_back(
        fmt::format("Tokens beyond position 0 by their RMS over that of the median token of their document: "
                    "{}; above 10 times is "
                    "what \"without sink tokens\" leaves out.",
                    enumerated(counts)));
  }
  return sentences;
}

}  // namespace strata
