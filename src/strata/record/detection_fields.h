// The keys of what was concluded about boundaries and their nulls in results.json; see fields.h.
#pragma once

#include "strata/record/findings.h"
#include "strata/record/trace_fields.h"

namespace strata::record_json {

template <class Visitor, Is<Interval> T>
void fields(Visitor& visit, T& x) {
  auto& [lo, hi] = x;
  visit("lo", lo);
  visit("hi", hi);
}

template <class Visitor, Is<CountTest> T>
void fields(Visitor& visit, T& x) {
  auto& [k_null, null_model, statistic, p_value, p_mc_error, null_sample] = x;
  visit("k_null", k_null);
  visit("null_model", null_model);
  visit("statistic", statistic);
  visit("p_value", p_value);
  visit("p_mc_error", p_mc_error);
  visit("null_sample", null_sample);
}

template <class Visitor, Is<ModelFit> T>
void fields(Visitor& visit, T& x) {
  auto& [k, name, edges, sse, bic_ar1, leave_one_out] = x;
  visit("k", k);
  visit("name", name);
  visit("edges", edges);
  visit("sse", sse);
  visit("bic_ar1", bic_ar1);
  visit("leave_one_out", leave_one_out);
}

template <class Visitor, Is<EdgeEstimate> T>
void fields(Visitor& visit, T& x) {
  auto& [edge, interval_90, modal_share, histogram, evidence, p_value, found_by] = x;
  visit("edge", edge);
  visit("interval_90", interval_90);
  visit("modal_share", modal_share);
  visit("histogram", histogram);
  visit.optional("evidence", evidence);
  visit.optional("p_value", p_value);
  visit.optional("found_by", found_by);
}

template <class Visitor, Is<PowerPoint> T>
void fields(Visitor& visit, T& x) {
  auto& [sigmas, share] = x;
  visit("sigmas", sigmas);
  visit("share", share);
}

template <class Visitor, Is<Detection> T>
void fields(Visitor& visit, T& x) {
  auto& [detector, tokens, defined, note, verdict, selected_k, boundaries, forced_two, tests, fits,
         k_stability, used_signals, left_out, role, evidence, power, first_edge, last_edge] = x;
  visit("detector", detector);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("verdict", verdict);
  visit("selected_k", selected_k);
  visit("boundaries", boundaries);
  visit("forced_two", forced_two);
  visit("tests", tests);
  visit("fits", fits);
  visit("k_stability", k_stability);
  visit("used_signals", used_signals);
  visit("left_out", left_out);
  visit.optional("role", role);
  visit.optional("evidence", evidence);
  visit.optional("power", power);
  visit.optional("first_edge", first_edge);
  visit.optional("last_edge", last_edge);
}

template <class Visitor, Is<Reproduction> T>
void fields(Visitor& visit, T& x) {
  auto& [rule, tokens, defined, note, edges, difference, threshold] = x;
  visit("rule", rule);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("edges", edges);
  visit("difference", difference);
  visit("threshold", threshold);
}

template <class Visitor, Is<GroupLeftOut> T>
void fields(Visitor& visit, T& x) {
  auto& [group, tokens, defined, note, verdict, selected_k, edges, forced_two] = x;
  visit("group", group);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("verdict", verdict);
  visit("selected_k", selected_k);
  visit("edges", edges);
  visit("forced_two", forced_two);
}

template <class Visitor, Is<Agreement> T>
void fields(Visitor& visit, T& x) {
  auto& [tokens, detectors, distance, note] = x;
  visit("tokens", tokens);
  visit("detectors", detectors);
  visit("distance", distance);
  visit("note", note);
}

template <class Visitor, Is<RandomTwins> T>
void fields(Visitor& visit, T& x) {
  auto& [detector, tokens, defined, note, observed, statistic, selected_k, verdict, forced_two, rank,
         p_value] = x;
  visit("detector", detector);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("observed", observed);
  visit("statistic", statistic);
  visit("selected_k", selected_k);
  visit("verdict", verdict);
  visit("forced_two", forced_two);
  visit("rank", rank);
  visit("p_value", p_value);
}

template <class Visitor, Is<NullSeries> T>
void fields(Visitor& visit, T& x) {
  auto& [id, axis, mean, low, high, model, correlation, difference] = x;
  visit("id", id);
  visit("axis", axis);
  visit("mean", mean);
  visit("low", low);
  visit("high", high);
  visit("model", model);
  visit("correlation", correlation);
  visit("difference", difference);
}

template <class Visitor, Is<NullDetection> T>
void fields(Visitor& visit, T& x) {
  auto& [detector, tokens, defined, note, verdict, selected_k, edges] = x;
  visit("detector", detector);
  visit("tokens", tokens);
  visit("defined", defined);
  visit("note", note);
  visit("verdict", verdict);
  visit("selected_k", selected_k);
  visit("edges", edges);
}

template <class Visitor, Is<NullProfile> T>
void fields(Visitor& visit, T& x) {
  auto& [kind, runs, documents, tokens, note, detections, series, compared, median_correlation,
         median_difference, likeness] = x;
  visit("kind", kind);
  visit("runs", runs);
  visit("documents", documents);
  visit("tokens", tokens);
  visit("note", note);
  visit("likeness", likeness);
  visit("median_correlation", median_correlation);
  visit("median_difference", median_difference);
  visit("compared", compared);
  visit("detections", detections);
  visit("series", series);
}

template <class Visitor, Is<Segment> T>
void fields(Visitor& visit, T& x) {
  auto& [name, begin, end] = x;
  visit("name", name);
  visit("begin", begin);
  visit("end", end);
}

}  // namespace strata::record_json
