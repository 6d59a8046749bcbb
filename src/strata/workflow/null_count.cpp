#include "strata/workflow/null_count.h"

#include <fmt/format.h>

#include "strata/base/error.h"
#include "strata/base/numbers.h"

namespace strata {
namespace {

constexpr std::int64_t kSmallModel = 100'000'000;    // parameters
constexpr std::int64_t kLargeModel = 2'000'000'000;  // a checkpoint of gigabytes: only where it is asked for
constexpr int kManyTwins = 19;                       // the fewest with which a rank can reach p = 0.05
constexpr std::uint64_t kMostTwins = 999;

}  // namespace

bool null_model_possible(const ModelConfig& config) {
  const Family& family = family_of(config);
  const bool bias = !family.bias_keys || config.qkv_bias == config.output_bias;
  const bool window = config.slides.empty() || family.window != WindowRule::none;
  const bool rope = !config.scaled_rope || config.scaled_rope->type != RopeType::linear ||
                    config.scaled_rope->attention_factor == 1.0;
  return (config.rope_factors.empty() || config.rope_scaling) && bias && window && rope;
}

NullModelCount null_model_count(const std::string& asked, const ModelConfig& config) {
  const std::int64_t parameters = count_parameters(config).total;
  if (asked.empty()) {
    if (!null_model_possible(config))
      return {0,
              "none: the file holds what a config.json cannot say, like rope factors without the formula "
              "they come from"};
    if (parameters <= kLargeModel) return {1, ""};
    return {0, fmt::format("none by default: {:.1f}B parameters make a large checkpoint on the disk; "
                           "--null-models 1 makes one",
                           static_cast<double>(parameters) / 1e9)};
  }
  if (asked == "auto") return {parameters <= kSmallModel ? kManyTwins : 1, ""};
  const auto count = parse_whole(asked);
  if (!count || *count > kMostTwins) {
    throw Error(ErrorKind::usage, {.option = "null_models",
                                   .found = fmt::format("'{}'", asked),
                                   .expected = fmt::format("auto or a number from 0 to {}", kMostTwins)});
  }
  return {static_cast<int>(*count), ""};
}

}  // namespace strata
