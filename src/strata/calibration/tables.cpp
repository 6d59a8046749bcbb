// calibration.json, calibration.csv, and the table on the screen.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "strata/calibration/calibrate.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

const char* verdict(const CalibrationRow& row) {
  if (!row.bar) return "";
  return row.meets_bar() ? "met" : "missed";
}

std::string bar_text(const CalibrationRow& row) {
  if (!row.bar) return "";
  return fmt::format("{} {:.0f}%", row.bar_is_upper ? "<=" : ">=", 100.0 * *row.bar);
}

}  // namespace

std::string calibration_json(const CalibrationOptions& options, const std::vector<CalibrationRow>& rows) {
  Json document;
  document["schema_version"] = 1;
  document["tool"] = {{"name", "strata"}};
  document["trials"] = options.trials;
  document["surrogates"] = options.surrogates;
  document["bootstraps"] = options.bootstraps;
  document["seed"] = options.seed;
  document["interval"] = "Clopper-Pearson, 95%";
  document["rows"] = Json::array();
  for (const CalibrationRow& row : rows) {
    Json out;
    out["kind"] = row.kind;
    out["cell"] = row.cell;
    out["detector"] = row.detector;
    out["n_layers"] = row.spec.n_layers;
    out["shape"] = to_string(row.spec.shape);
    out["edges"] = row.spec.edges;
    out["signals"] = row.spec.signals;
    out["contrast"] = row.spec.contrast;
    out["document_sigma"] = row.spec.document_sigma;
    out["documents"] = row.spec.documents;
    out["rho"] = row.spec.rho;
    out["common"] = row.spec.common;
    out["measure"] = row.measure;
    out["hits"] = row.hits;
    out["trials"] = row.trials;
    out["share"] = row.share();
    out["interval_95"] = {{"lo", row.interval_95.lo}, {"hi", row.interval_95.hi}};
    out["bar"] = row.bar ? Json(*row.bar) : Json(nullptr);
    out["bar_is_upper"] = row.bar_is_upper;
    document["rows"].push_back(std::move(out));
  }
  return document.dump(1) + "\n";
}

std::string calibration_csv(const std::vector<CalibrationRow>& rows) {
  std::string text =
      "kind,cell,detector,n_layers,shape,edges,signals,contrast,document_sigma,documents,rho,common,"
      "measure,hits,trials,share,share_lo,share_hi,bar,bar_is_upper\n";
  for (const CalibrationRow& row : rows) {
    const PlantedSpec& s = row.spec;
    text += fmt::format("{},\"{}\",{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", row.kind,
                        row.cell, row.detector, s.n_layers, to_string(s.shape), fmt::join(s.edges, " "),
                        s.signals, s.contrast, s.document_sigma, s.documents, s.rho, s.common, row.measure,
                        row.hits, row.trials, row.share(), row.interval_95.lo, row.interval_95.hi,
                        row.bar ? fmt::format("{}", *row.bar) : "", row.bar_is_upper ? 1 : 0);
  }
  return text;
}

std::string calibration_text(const std::vector<CalibrationRow>& rows) {
  std::string text = fmt::format("{:<9} {:>3} {:<30} {:<20} {:<25} {:>7} {:>17} {:>7}\n", "kind", "L",
                                 "planted", "detector", "measure", "share", "95% interval", "bar");
  int bars = 0, met = 0;
  for (const CalibrationRow& row : rows) {
    text += fmt::format("{:<9} {:>3} {:<30} {:<20} {:<25} {:>6.1f}% {:>7.1f}% - {:>5.1f}% {:>7} {}\n",
                        row.kind, row.spec.n_layers, row.cell, row.detector, row.measure, 100.0 * row.share(),
                        100.0 * row.interval_95.lo, 100.0 * row.interval_95.hi, bar_text(row), verdict(row));
    bars += row.bar ? 1 : 0;
    met += row.bar && row.meets_bar() ? 1 : 0;
  }
  text += fmt::format("{} of {} bars met by the counted share\n", met, bars);
  return text;
}

}  // namespace strata
