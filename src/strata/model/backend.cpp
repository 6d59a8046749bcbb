#include "strata/model/backend.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/model/backward.h"
#include "strata/model/block.h"
#include "strata/model/head.h"

namespace strata {
namespace {

constexpr std::uint64_t kProgramBytes = 20ull << 20;

std::vector<const Backend*>& registry() {
  static std::vector<const Backend*> all{&cpu_backend()};
  return all;
}

}  // namespace

std::uint64_t program_bytes() {
  std::uint64_t bytes = kProgramBytes;
  for (const Backend* backend : registry()) bytes += backend->library_bytes();
  return bytes;
}

void add_backend(const Backend& backend) {
  auto& all = registry();
  if (std::find(all.begin(), all.end(), &backend) == all.end()) all.push_back(&backend);
}

std::vector<const Backend*> backends() {
  return registry();
}

const Backend& backend_named(std::string_view name) {
  std::string known;
  for (const Backend* backend : registry()) {
    if (backend->name() == name) return *backend;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", backend->name());
  }
  throw Error(ErrorKind::unsupported, {.option = fmt::format("device {}", name),
                                       .found = "no such backend in this program",
                                       .expected = fmt::format("one of: {}", known),
                                       .hint = "a build with -DSTRATA_TORCH=ON has cuda (docs/cuda.md)"});
}

void require_compute(Compute compute) {
  if (const std::string why = compute.backend->why_not(compute.dtype); !why.empty()) {
    const bool here = compute.backend == &cpu_backend();
    throw Error(ErrorKind::unsupported, {.option = here ? fmt::format("dtype {}", to_string(compute.dtype))
                                                        : fmt::format("device {}", compute.backend->name()),
                                         .found = why,
                                         .hint = here ? "use --dtype float32" : "use --device cpu"});
  }
  compute.backend->prepare();
}

void forward_block(const BlockWeights& weights, const RopeTable& rope, std::span<const BlockPass> windows,
                   BlockScratch& scratch) {
  weights.backend().forward_block(weights, rope, windows, scratch);
}

void forward_block(const BlockWeights& weights, const RopeTable& rope, const float* h_in, float* h_out,
                   std::int64_t tokens, BlockScratch& scratch, const BlockHooks& hooks) {
  const BlockPass window{h_in, h_out, tokens, hooks};
  forward_block(weights, rope, {&window, 1}, scratch);
}

void backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                    std::span<float* const> gradients, std::int64_t tokens, BackwardScratch& scratch,
                    const BackwardOptions& options) {
  weights.backend().backward_block(weights, rope, h, gradients, tokens, scratch, options);
}

void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                    float* logits, LogitScratch& scratch) {
  STRATA_CHECK(rows > 0 && rows <= kLogitRows);
  scratch.normed.resize(static_cast<std::size_t>(kLogitRows * config.hidden));
  head.unembedding.backend().compute_logits(head, config, h, rows, logits, scratch);
}

void visit_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                  LogitScratch& scratch, const LogitVisitor& visit) {
  STRATA_CHECK(rows > 0 && rows <= kVisitedRows);
  scratch.normed.resize(static_cast<std::size_t>(kVisitedRows * config.hidden));
  head.unembedding.backend().visit_logits(head, config, h, rows, scratch, visit);
}

void backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                     const float* d_logits, float* d_h, LogitScratch& scratch) {
  STRATA_CHECK(rows > 0 && rows <= kLogitRows);
  scratch.normed.resize(static_cast<std::size_t>(kLogitRows * config.hidden));
  head.unembedding.backend().backward_logits(head, config, h, rows, d_logits, d_h, scratch);
}

}  // namespace strata
