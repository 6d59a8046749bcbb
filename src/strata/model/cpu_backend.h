// The built-in backend: strata's own products and row kernels (product.h, kernels.h).
#pragma once

#include "strata/model/backend.h"
#include "strata/model/head.h"

namespace strata {

/// As the free functions of the same names, for packed weights.
namespace cpu {

void forward_block(const BlockWeights& weights, const RopeTable& rope, std::span<const BlockPass> windows,
                   BlockScratch& scratch);
void backward_block(const BlockWeights& weights, const RopeTable& rope, const float* h,
                    std::span<float* const> gradients, std::int64_t tokens, BackwardScratch& scratch,
                    const BackwardOptions& options);
void compute_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                    float* logits, LogitScratch& scratch);
void visit_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                  LogitScratch& scratch, const LogitVisitor& visit);
void backward_logits(const HeadWeights& head, const ModelConfig& config, const float* h, std::int64_t rows,
                     const float* d_logits, float* d_h, LogitScratch& scratch);

}  // namespace cpu
}  // namespace strata
