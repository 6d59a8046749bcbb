#include "strata/signals/token_signal.h"

#include <algorithm>
#include <cctype>
#include <deque>
#include <utility>

#include "strata/base/error.h"
#include "strata/signals/per_token.h"

namespace strata {
namespace {

struct Row {
  TokenSignal signal;
  SeriesInfo info;
};

bool is_id(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
  });
}

}  // namespace

void add_token_signal(TokenSignal signal) {
  if (!is_id(signal.id) || !signal.value) {
    throw Error(ErrorKind::usage, {.where = "signal '" + signal.id + "'",
                                   .found = signal.value ? "no id" : "no function",
                                   .expected = "lower case letters, digits and underscores, and a value"});
  }
  static std::deque<Row> rows;  // a deque's elements stay where they are
  Row& row = rows.emplace_back(Row{std::move(signal), {}});
  row.info = {.id = row.signal.id,
              .unit = row.signal.unit,
              .axis = row.signal.of_blocks ? Axis::block : Axis::state,
              .group = Group::control};
  const auto value = [&row](const float* h_in, const float* h_out, std::int64_t width) {
    const auto size = static_cast<std::size_t>(width);
    return row.signal.value({h_in, size},
                            h_out == nullptr ? std::span<const float>() : std::span(h_out, size));
  };
  add_signal({.series = {&row.info, 1},
              .needs_attention = false,
              .make =
                  [&row, value](const SweepContext& context) {
                    return per_token_accumulator(context, row.info, Fold::mean, value);
                  },
              .memory_bytes = per_token_bytes});
}

}  // namespace strata
