// The keys of results.json: one list per struct, shared by the writer and the reader, so that the two
// cannot drift apart. A visitor is called as visit("key", member) in the order of the file; `optional`
// is for keys that files written before the member existed may lack, `unless_empty` for keys of a few models'
// records alone, which a file lacks where the member is empty.
//
// The structured bindings are deliberate: a member added to a struct and not listed does not compile.
#pragma once

#include <span>

#include "strata/record/findings_fields.h"
#include "strata/record/run_directory.h"
#include "strata/record/trace_fields.h"

namespace strata::record_json {

/// The top level of the file, after "schema_version".
template <class Visitor, Is<Run> T>
void fields(Visitor& visit, T& x) {
  auto& [trace, findings] = x;
  auto& [run, model, documents, series, cka, spectra, curves, bottlenecks, sinks, mask_counts, sink_paths,
         carriers, lens_passages, n_massive, n_tokens, warnings] = trace;
  visit("run", run);
  visit("model", model);
  visit("warnings", warnings);
  visit("findings", findings);
  visit("documents", documents);
  visit("n_tokens", n_tokens);
  visit("n_massive", n_massive);
  visit("sinks", sinks);
  visit.optional("mask_counts", mask_counts);
  visit.optional("sink_paths", sink_paths);
  visit.optional("carriers", carriers);
  visit.optional("lens_passages", lens_passages);
  visit("series", series);
  visit("cka", cka);
  visit.optional("spectra", spectra);
  visit("curves", curves);
  visit.optional("bottlenecks", bottlenecks);
}

}  // namespace strata::record_json

namespace strata {

inline constexpr Axis kAxes[] = {Axis::state, Axis::block, Axis::edge};
inline constexpr TokenSet kTokenSets[] = {TokenSet::ordinary, TokenSet::all};
inline constexpr StateScale kStateScales[] = {StateScale::raw, StateScale::token_rms};
inline constexpr Group kGroups[] = {Group::attention, Group::representation, Group::information,
                                    Group::output, Group::control};

inline constexpr DetectorRole kDetectorRoles[] = {DetectorRole::rule, DetectorRole::detector,
                                                  DetectorRole::reproduction};

/// The values that a file may name.
constexpr std::span<const DetectorRole> names_of(DetectorRole) {
  return kDetectorRoles;
}
constexpr std::span<const Axis> names_of(Axis) {
  return kAxes;
}
constexpr std::span<const TokenSet> names_of(TokenSet) {
  return kTokenSets;
}
constexpr std::span<const StateScale> names_of(StateScale) {
  return kStateScales;
}
constexpr std::span<const Group> names_of(Group) {
  return kGroups;
}

}  // namespace strata
