#include "strata/report/page_record.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

Json averages(const std::vector<double>& values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(std::isfinite(value) ? Json(value) : Json(nullptr));
  return array;
}

void round_numbers(Json& value) {
  if (value.is_number_float()) {
    value = Json::parse(fmt::format("{:.6g}", value.get<double>()));
    return;
  }
  if (!value.is_structured()) return;
  for (Json& element : value) round_numbers(element);
}

std::string page_text(Json& page) {
  round_numbers(page);
  return page.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string page_record(const Run& run, const std::string& command, const std::string& growing) {
  Json page = Json::parse(results_json(run));
  page["page"] = "model";
  if (!growing.empty()) page["growing"] = growing;
  page["command"] = command;
  page["run"]["seed"] = std::to_string(run.trace.run.seed);
  for (Json& series : page["series"]) {
    series.erase("by_doc");
    series.erase("weight");
  }
  const std::vector<double> weight = lane_weights(run.trace);
  for (std::size_t i = 0; i < run.trace.curves.size(); ++i) {
    const DoseCurve& curve = run.trace.curves[i];
    Json& out = page["curves"][i];
    out.erase("kl_nats");
    out.erase("delta_nll_nats");
    out.erase("top1_agreement");
    if (curve.top1_agreement.cols == curve.strength.size()) {
      out["top1"] = averages(weighted_mean(curve.top1_agreement, weight));
      out["top1_se"] = averages(weighted_standard_error(curve.top1_agreement, weight));
    }
    if (curve.embedding_distance.rows > 0) {
      out.erase("embedding_distance");
      out["distance"] = averages(weighted_mean(curve.embedding_distance, weight));
      out["distance_se"] = averages(weighted_standard_error(curve.embedding_distance, weight));
    }
    out["kl"] = averages(weighted_mean(curve.kl_nats, weight));
    out["kl_se"] = averages(weighted_standard_error(curve.kl_nats, weight));
    out["nll"] = averages(weighted_mean(curve.delta_nll_nats, weight));
    out["nll_se"] = averages(weighted_standard_error(curve.delta_nll_nats, weight));
  }
  page["findings"].erase("doses");  // one for each curve, and no plot of them
  for (Json& split : page["findings"]["splits"]) {
    for (const char* key : {"kappa_by_doc", "absolute_by_doc", "rms_effective_by_doc", "rms_median_by_doc"})
      split.erase(key);
  }
  return page_text(page);
}

std::string study_page_record(const Study& study, const std::string& command) {
  Json page = Json::parse(study_json(study));
  page["page"] = "study";
  page["command"] = command;
  page["study"]["seed"] = std::to_string(study.study.seed);
  return page_text(page);
}

std::string twins_page_record(const DivergenceRecord& record, const std::string& command) {
  Json page = Json::parse(divergence_json(record));
  page["page"] = "twins";
  page["command"] = command;
  page["run"]["seed"] = std::to_string(record.run.seed);
  page.erase("series");
  page.erase("substitutions");
  return page_text(page);
}

}  // namespace strata
