// The CSV tables: one header line, '.' decimals, empty = missing, quoting as in RFC 4180.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/text.h"
#include "strata/record/csv_cell.h"
#include "strata/record/internal.h"

namespace strata {
namespace {

// A table filled column by column; every column has the same length.
class Table {
 public:
  explicit Table(std::size_t rows) : lines_(rows) {}

  template <class Value>
  void column(std::string_view name, const Value& value_of_row) {
    const char* separator = header_.empty() ? "" : ",";
    header_.append(separator).append(csv_cell(name));
    for (std::size_t row = 0; row < lines_.size(); ++row)
      lines_[row].append(separator).append(value_of_row(row));
  }
  void numbers(std::string_view name, const std::vector<double>& values) {
    column(name, [&](std::size_t row) { return csv_cell(values.at(row)); });
  }
  void index(std::string_view name, std::size_t first) {
    column(name, [&](std::size_t row) { return fmt::format("{}", row + first); });
  }
  void relative_depth(std::size_t first, int layers) {
    column("relative_depth",
           [&](std::size_t row) { return csv_cell(static_cast<double>(row + first) / layers); });
  }
  [[nodiscard]] std::string text() const { return fmt::format("{}\n{}\n", header_, fmt::join(lines_, "\n")); }

 private:
  std::string header_;
  std::vector<std::string> lines_;
};

void add_series(const Trace& trace, Axis axis, Table& table) {
  for (const Series& series : trace.series) {
    if (series.axis != axis) continue;
    if (series.tokens == TokenSet::ordinary) {
      table.numbers(series.id, mean_over_documents(series));
      table.numbers(series.id + "_se", standard_error(series));
    } else {
      table.numbers(series.id + "_all", mean_over_documents(series));
    }
  }
}

void add_splits(const std::vector<StateSplit>& splits, Table& table) {
  std::map<std::size_t, const StateSplit*> by_state;
  for (const StateSplit& split : splits) by_state[static_cast<std::size_t>(split.state)] = &split;
  const auto add = [&](const char* name, double StateSplit::*member) {
    table.column(name, [&](std::size_t row) {
      return by_state.contains(row) ? csv_cell(by_state.at(row)->*member) : "";
    });
  };
  add("rms_effective", &StateSplit::rms_effective);
  add("rms_gradient_correlation", &StateSplit::correlation);
}

void add_embedding(const std::vector<EmbeddingSensitivity>& all, Table& table) {
  std::map<std::size_t, const EmbeddingSensitivity*> by_state;
  for (const EmbeddingSensitivity& one : all) by_state[static_cast<std::size_t>(one.state)] = &one;
  const auto add = [&](const char* name, double EmbeddingSensitivity::*member) {
    table.column(name, [&](std::size_t row) {
      return by_state.contains(row) ? csv_cell(by_state.at(row)->*member) : "";
    });
  };
  add("embedding", &EmbeddingSensitivity::value);
  add("embedding_se", &EmbeddingSensitivity::standard_error);
  add("embedding_backward", &EmbeddingSensitivity::backward);
  add("embedding_backward_se", &EmbeddingSensitivity::backward_error);
  add("embedding_difference_z", &EmbeddingSensitivity::difference_z);
  add("embedding_absolute", &EmbeddingSensitivity::absolute);
  add("embedding_absolute_se", &EmbeddingSensitivity::absolute_error);
}

std::string segment_name(const Findings& findings, int block) {
  for (const Segment& segment : findings.segments) {
    if (segment.begin <= block && block < segment.end) return segment.name;
  }
  return "";
}

std::string suffix(TokenSet tokens) {
  return tokens == TokenSet::all ? "_all" : "";
}

// Expected number of boundaries at each edge over the resamples.
std::vector<double> shares(const std::vector<EdgeEstimate>& boundaries, std::size_t edges) {
  std::vector<double> sum(edges, 0.0);
  for (const EdgeEstimate& boundary : boundaries) {
    for (std::size_t e = 0; e < boundary.histogram.size(); ++e) sum[e] += boundary.histogram[e];
  }
  return sum;
}

void add_boundaries(const std::string& name, bool defined, const std::vector<EdgeEstimate>& boundaries,
                    std::size_t edges, Table& table) {
  const std::vector<double> share = shares(boundaries, edges);
  table.column(name + "_share", [&](std::size_t row) { return defined ? csv_cell(share[row]) : ""; });
  table.column(name + "_selected", [&](std::size_t row) -> std::string {
    if (!defined) return "";
    const int edge = static_cast<int>(row) + 1;
    const auto at = [&](const EdgeEstimate& boundary) { return boundary.edge == edge; };
    return std::any_of(boundaries.begin(), boundaries.end(), at) ? "1" : "0";
  });
}

}  // namespace

std::string states_csv(const Run& run) {
  const int layers = run.trace.n_layers();
  Table table(static_cast<std::size_t>(layers) + 1);
  table.index("state", 0);
  table.relative_depth(0, layers);
  add_series(run.trace, Axis::state, table);
  std::map<std::size_t, const KappaEstimate*> kappa;
  for (const KappaEstimate& estimate : run.findings.kappa) {
    kappa[static_cast<std::size_t>(estimate.state)] = &estimate;
  }
  const auto add = [&](const char* name, double KappaEstimate::*member) {
    table.column(
        name, [&](std::size_t row) { return kappa.contains(row) ? csv_cell(kappa.at(row)->*member) : ""; });
  };
  add("kappa", &KappaEstimate::kappa);
  add("kappa_se", &KappaEstimate::standard_error);
  add("kappa_fisher", &KappaEstimate::fisher);
  add("kappa_fisher_se", &KappaEstimate::fisher_error);
  add("kappa_difference_z", &KappaEstimate::difference_z);
  add("critical_strength", &KappaEstimate::critical_strength);
  add("critical_strength_se", &KappaEstimate::critical_error);
  add("kappa_nll", &KappaEstimate::nll);
  add("kappa_nll_se", &KappaEstimate::nll_error);
  add("absolute_fisher", &KappaEstimate::absolute_fisher);
  add("absolute_fisher_se", &KappaEstimate::absolute_fisher_error);
  add("absolute", &KappaEstimate::absolute);
  add("absolute_se", &KappaEstimate::absolute_error);
  add("absolute_nll", &KappaEstimate::absolute_nll);
  add("absolute_nll_se", &KappaEstimate::absolute_nll_error);
  add_splits(run.findings.splits, table);
  if (!run.trace.model.has_head()) add_embedding(run.findings.embedding, table);
  return table.text();
}

std::string blocks_csv(const Run& run) {
  const int layers = run.trace.n_layers();
  Table table(static_cast<std::size_t>(layers));
  table.index("block", 0);
  table.column("segment",
               [&](std::size_t row) { return csv_cell(segment_name(run.findings, static_cast<int>(row))); });
  table.relative_depth(0, layers);
  add_series(run.trace, Axis::block, table);
  return table.text();
}

std::string edges_csv(const Run& run) {
  const int layers = run.trace.n_layers();
  const auto edges = static_cast<std::size_t>(layers) - 1;
  Table table(edges);
  table.index("edge", 1);
  table.relative_depth(1, layers);
  add_series(run.trace, Axis::edge, table);
  for (const Detection& detection : run.findings.detections) {
    const std::string name = detection.detector + suffix(detection.tokens);
    add_boundaries(name, detection.defined, detection.boundaries, edges, table);
    add_boundaries(name + "_forced", detection.defined, detection.forced_two, edges, table);
  }
  return table.text();
}

std::string rate_distortion_csv(const Run& run) {
  std::string out =
      "state,strength,rate_nats,rate_nats_se,distortion_nats,distortion_nats_se,effective_dimension,beta,"
      "ln_beta_se\n";
  for (const auto& [state, curve] : run.findings.rate_distortion) {
    for (const RatePoint& p : curve.points) {
      out += fmt::format("{},{},{},{},{},{},{},{},{}\n", state, csv_cell(p.strength), csv_cell(p.rate_nats),
                         csv_cell(p.rate_error), csv_cell(p.distortion_nats), csv_cell(p.distortion_error),
                         csv_cell(p.effective_dimension), csv_cell(p.beta), csv_cell(p.ln_beta_error));
    }
  }
  return out;
}

std::string brittleness_csv(const Run& run) {
  std::string out =
      "intervention,site,axis,place,span,strength,strength_unit,kl_nats,kl_nats_se,delta_nll_nats,"
      "delta_nll_nats_se,head,top1_agreement,top1_agreement_se,kl_nats_per_byte,kl_nats_per_byte_se,"
      "delta_nll_nats_per_byte,delta_nll_nats_per_byte_se";
  const bool head = run.trace.model.has_head();
  out += head ? "\n" : ",embedding_distance,embedding_distance_se\n";
  const std::vector<double> weight = lane_weights(run.trace);
  for (const DoseCurve& curve : run.trace.curves) {
    std::vector<std::vector<double>> columns;  // a mean and its standard error for each measure
    const auto add = [&](const Matrix& by_doc, const std::vector<double>& weights) {
      const bool measured = by_doc.cols == curve.strength.size();  // else a file from before the measure
      const std::vector<double> undefined(curve.strength.size(), kUndefinedValue);
      columns.push_back(measured ? weighted_mean(by_doc, weights) : undefined);
      columns.push_back(measured ? weighted_standard_error(by_doc, weights) : undefined);
    };
    const PerByte kl = per_byte(run.trace, curve.kl_nats), nll = per_byte(run.trace, curve.delta_nll_nats);
    add(curve.kl_nats, weight);
    add(curve.delta_nll_nats, weight);
    add(curve.top1_agreement, weight);
    add(kl.by_doc, kl.bytes);
    add(nll.by_doc, nll.bytes);
    if (!head) add(curve.embedding_distance, weight);
    for (std::size_t i = 0; i < curve.strength.size(); ++i) {
      out +=
          fmt::format("{},{},{},{},{},{},{}", csv_cell(std::string_view(curve.intervention)),
                      csv_cell(std::string_view(curve.site)), to_string(curve.axis), curve.place, curve.span,
                      csv_cell(curve.strength[i]), csv_cell(std::string_view(curve.strength_unit)));
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (c == 4) out += curve.head < 0 ? "," : fmt::format(",{}", curve.head);
        out += ',';
        out += csv_cell(columns[c][i]);
      }
      out += '\n';
    }
  }
  return out;
}

}  // namespace strata
