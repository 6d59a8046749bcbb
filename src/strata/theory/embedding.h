// Brittleness of a model without a head: by the distance of its embedding, where another model has KL.
#pragma once

#include <string>
#include <vector>

#include "strata/record/findings.h"

namespace strata {

/// Fills findings.embedding and findings.embedding_segments from the curves' embedding_distance, over the
/// segments that are there; kappa, its segment means and critical strengths are undefined (kNoHead). The
/// estimators are those of kappa (theory/kappa.h, theory/brittleness.h) on 1 - cosine in the place of KL.
void add_embedding_brittleness(const Trace& trace, std::uint64_t seed, Findings& findings);

/// What stands in the headline in the place of kappa's sentences.
[[nodiscard]] std::vector<std::string> embedding_sentences(const Trace& trace, const Findings& findings);

}  // namespace strata
