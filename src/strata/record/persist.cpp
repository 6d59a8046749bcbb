#include "strata/record/persist.h"

#include "strata/record/divergence_fields.h"
#include "strata/record/walk_fields.h"

namespace strata {
namespace {

auto walk_of(Archive& archive) {
  return record_json::FieldWalk([&archive](auto& value) { archive(value); },
                                [&archive](auto& list) { list.resize(archive.size_of(list.size(), 1)); });
}

}  // namespace

void persist(Archive& archive, std::vector<DoseCurve>& curves) {
  walk_of(archive).walk(curves);
}

void persist(Archive& archive, std::vector<Series>& series) {
  walk_of(archive).walk(series);
}

void persist(Archive& archive, DivergenceRecord& record) {
  walk_of(archive).walk(record);
}

void persist(Archive& archive, Trace& trace) {
  auto& [run, model, documents, series, cka, spectra, curves, bottlenecks, sinks, mask_counts, sink_paths,
         carriers, lens_passages, n_massive, n_tokens, warnings] = trace;
  auto members = walk_of(archive);
  members.walk(run);
  members.walk(model);
  members.walk(documents);
  members.walk(series);
  members.walk(cka);
  members.walk(spectra);
  for (SpectrumRecord& record : spectra) {  // only their sizes are in results.json
    archive(record.value);
    archive(record.multiplicity);
  }
  members.walk(curves);
  members.walk(bottlenecks);
  members.walk(sinks);
  members.walk(mask_counts);
  members.walk(sink_paths);
  members.walk(carriers);
  members.walk(lens_passages);
  members.walk(n_massive);
  members.walk(n_tokens);
  members.walk(warnings);
}

}  // namespace strata
