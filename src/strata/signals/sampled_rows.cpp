#include "strata/signals/sampled_rows.h"

#include <algorithm>
#include <cmath>

#include "strata/signals/token_math.h"

namespace strata {
namespace {

constexpr std::int64_t kMinShare = 64;  // positions of a document

}  // namespace

SampledRows::SampledRows(const SweepContext& context)
    : width_(static_cast<std::size_t>(context.config.hidden)), sample_(draw_sample(context, size(context))) {
  const auto states = static_cast<std::size_t>(context.config.n_layers + 1);
  const auto floats = static_cast<std::int64_t>(sample_.table_rows() * width_);
  zero_.assign(sample_.table_rows(), 0);
  rows_ = StateStore(std::vector<std::int64_t>(states, floats), context.place);
  for (std::size_t state = 0; state < states; ++state) rows_.open(state);
}

void SampledRows::read(std::size_t state, std::size_t row, std::span<float> out) const {
  rows_.read(state, out, static_cast<std::int64_t>(row * width_));
}

void SampledRows::read_scaled(std::size_t state, std::size_t row, std::span<float> out) const {
  read(state, row, out);
  const auto d = static_cast<std::int64_t>(width_);
  const double rms = std::sqrt(dot(out.data(), out.data(), d) / static_cast<double>(d));
  const double factor = rms > 0.0 ? 1.0 / rms : 0.0;
  for (float& v : out) v = static_cast<float>(factor * static_cast<double>(v));
}

void SampledRows::observe_state(const StateView& view) {
  for (const DocumentSample::Slot& slot : sample_.slots[view.window]) {
    const float* h = view.h + static_cast<std::size_t>(slot.position) * width_;
    if (std::all_of(h, h + width_, [](float v) { return v == 0.0f; })) zero_[slot.row] = 1;
  }
  sample_.copy_rows(view, width_, rows_, static_cast<std::size_t>(view.state));
}

SampleSize SampledRows::size(const SweepContext& context) {
  return sample_size(context, kMinShare, std::max(kMinShare, context.positions));
}

std::int64_t SampledRows::table_rows(const SweepContext& context) {
  const SampleSize sample = size(context);
  return table_stride(context, sample) * sample.documents;
}

std::uint64_t SampledRows::memory_bytes(const SweepContext& context) {
  const auto rows = static_cast<std::uint64_t>(table_rows(context));
  if (context.place.spilled) return rows;
  return rows + static_cast<std::uint64_t>(context.config.n_layers + 1) * rows *
                    static_cast<std::uint64_t>(context.config.hidden) * sizeof(float);
}

}  // namespace strata
