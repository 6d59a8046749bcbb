// The measured part of a record to and from an archive, for runs that are interrupted. Every bit survives,
// which results.json does not promise of NaN.
#pragma once

#include "strata/base/archive.h"
#include "strata/record/divergence.h"
#include "strata/record/trace.h"

namespace strata {

void persist(Archive& archive, Trace& trace);
void persist(Archive& archive, std::vector<DoseCurve>& curves);
void persist(Archive& archive, std::vector<Series>& series);
void persist(Archive& archive, DivergenceRecord& record);

}  // namespace strata
