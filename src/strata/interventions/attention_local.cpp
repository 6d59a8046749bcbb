#include "strata/interventions/attention_local.h"

#include "strata/interventions/attention_mix.h"

namespace strata {
namespace {

constexpr double kStrengths[] = {0.1, 0.3, 1.0};
constexpr std::int64_t kWindow = 16;  // keys

void edit(const EditContext& edit, int /*head*/, std::int64_t query, float* probability) {
  mix_attention(edit, query, probability, [&](std::int64_t key) {
    const bool sink = edit.classes[static_cast<std::size_t>(key)] != TokenClass::ordinary;
    return sink || query - key < kWindow ? static_cast<double>(probability[key]) : 0.0;
  });
}

}  // namespace

Intervention attention_local_intervention() {
  return {.id = "attention_local",
          .strength_unit = "share",
          .site = Site::attention,
          .strengths = kStrengths,
          .edit_attention = edit};
}

}  // namespace strata
