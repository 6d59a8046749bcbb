#include "strata/sweep/model_warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace strata {
namespace {

constexpr std::size_t kNamed = 3;  // tensors that a sentence names

bool is_bias(const TensorInfo& tensor) {
  return tensor.name.ends_with(".bias");
}

bool is_matrix(const TensorInfo& tensor) {
  return tensor.shape.size() == 2 && tensor.shape[0] > 1 && tensor.shape[1] > 1;
}

std::string sentence(const std::vector<std::string>& names, std::size_t tensors, const char* what) {
  const std::size_t shown = std::min(kNamed, names.size());
  const std::vector<std::string> first(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown));
  return fmt::format("weights: {} of {} tensors hold {} ({}{}): the file may be damaged, or a placeholder",
                     names.size(), tensors, what, fmt::join(first, ", "),
                     names.size() > shown ? ", ..." : "");
}

}  // namespace

std::vector<std::string> weight_warnings(const Checkpoint& checkpoint) {
  const std::vector<float> values = checkpoint.constant_values();
  std::vector<std::string> zero, equal;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const TensorInfo& tensor = checkpoint.tensors()[i];
    if (std::isnan(values[i]) || is_bias(tensor)) continue;
    if (values[i] == 0.0f) {
      zero.push_back(tensor.name);
    } else if (is_matrix(tensor)) {
      equal.push_back(tensor.name);
    }
  }
  std::vector<std::string> warnings;
  if (!zero.empty()) warnings.push_back(sentence(zero, values.size(), "nothing but zeros"));
  if (!equal.empty()) warnings.push_back(sentence(equal, values.size(), "one value throughout"));
  return warnings;
}

std::vector<std::string> loss_warnings(double nll_nats, int vocab) {
  const double chance = std::log(static_cast<double>(vocab));
  if (!(nll_nats >= chance)) return {};
  return {
      fmt::format("the loss, {:.4g} nats per token, is not below ln(vocabulary) = {:.4g}: the model predicts "
                  "this text no better than chance (untrained or damaged weights, or the text or tokenizer "
                  "of another model)",
                  nll_nats, chance)};
}

}  // namespace strata
