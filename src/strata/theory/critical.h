// The strength at which an intervention doubles the perplexity.
#pragma once

#include <string>
#include <vector>

#include "strata/record/findings.h"
#include "strata/record/trace.h"

namespace strata {

struct CriticalStrength {
  double strength = kUndefinedValue;
  double standard_error = kUndefinedValue;
  std::string note;  ///< why one of them is undefined
};

/// First strength at which the change of NLL, pooled over documents by lane tokens, reaches ln 2, linear in
/// ln strength between the curve's own strengths. Undefined, with the reason, where the grid does not enclose
/// a crossing or strengths between its own mean nothing. The standard error is the jackknife's: documents
/// left out one at a time, undefined when one of them decides whether there is a crossing.
[[nodiscard]] CriticalStrength critical_strength(const Trace& trace, const DoseCurve& curve);

/// One summary for each curve of the record, in their order.
[[nodiscard]] std::vector<DoseSummary> summarise_doses(const Trace& trace);

}  // namespace strata
