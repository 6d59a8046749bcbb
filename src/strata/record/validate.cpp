// Lengths and indices that must agree across a record.
#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "strata/record/internal.h"

namespace strata::record_json {
namespace {

constexpr int kMaxLayers = 4096;  // of config.json too; tables are made with a row for each
constexpr int kMostExperts = 1 << 14;

class Validator {
 public:
  Validator(const Run& run, const Complaint& bad)
      : run_(run), bad_(bad), layers_(run.trace.n_layers()), documents_(run.trace.documents.size()) {}

  void all() const {
    if (layers_ < 1) bad_("/model/n_layers", fmt::format("{}", layers_), "at least one block");
    if (layers_ > kMaxLayers) {
      bad_("/model/n_layers", fmt::format("{}", layers_), fmt::format("at most {}", kMaxLayers));
    }
    distinct_names();
    each("/series", run_.trace.series, [&](const auto& path, const auto& x) { series(path, x); });
    each("/cka", run_.trace.cka, [&](const auto& path, const auto& x) { cka(path, x); });
    each("/spectra", run_.trace.spectra, [&](const auto& path, const auto& x) { spectrum(path, x); });
    each("/curves", run_.trace.curves, [&](const auto& path, const auto& x) { curve(path, x); });
    each("/bottlenecks", run_.trace.bottlenecks,
         [&](const auto& path, const auto& x) { range(path + "/state", x.state, 0, layers_); });
    each("/sinks", run_.trace.sinks, [&](const auto& path, const auto& x) { sink(path, x); });
    each("/sink_paths", run_.trace.sink_paths, [&](const auto& path, const auto& x) { sink_path(path, x); });
    each("/carriers", run_.trace.carriers,
         [&](const auto& path, const auto& x) { range(path + "/state", x.state, 0, layers_); });
    each("/lens_passages", run_.trace.lens_passages,
         [&](const auto& path, const auto& x) { lens_passage(path, x); });
    findings();
  }

 private:
  template <class T, class Check>
  static void each(const std::string& path, const std::vector<T>& values, const Check& check) {
    for (std::size_t i = 0; i < values.size(); ++i) check(fmt::format("{}/{}", path, i), values[i]);
  }
  void length(const std::string& path, std::size_t found, std::size_t expected) const {
    if (found != expected) bad_(path, fmt::format("{} entries", found), fmt::format("{}", expected));
  }
  void shape(const std::string& path, const Matrix& m, std::size_t rows, std::size_t cols) const {
    // Without rows the file cannot say how many columns there would be.
    if (m.rows == rows && (m.cols == cols || rows == 0)) return;
    bad_(path, fmt::format("{} x {} numbers", m.rows, m.cols), fmt::format("{} x {}", rows, cols));
  }
  void range(const std::string& path, int value, int first, int last) const {
    if (value < first || value > last) {
      bad_(path, fmt::format("{}", value), fmt::format("between {} and {}", first, last));
    }
  }
  [[nodiscard]] std::size_t positions(Axis axis) const {
    const auto n = static_cast<std::size_t>(layers_);
    return axis == Axis::state ? n + 1 : axis == Axis::block ? n : n - 1;
  }

  void distinct_names() const {
    std::set<std::pair<std::string_view, TokenSet>> series, detectors;
    each("/series", run_.trace.series, [&](const auto& path, const Series& x) {
      if (!series.emplace(x.id, x.tokens).second) {
        bad_(path + "/id", "the same series twice", "one for each id and token set");
      }
    });
    each("/findings/detections", run_.findings.detections, [&](const auto& path, const Detection& x) {
      if (!detectors.emplace(x.detector, x.tokens).second) {
        bad_(path + "/detector", "the same detector twice", "one for each detector and token set");
      }
    });
  }
  void series(const std::string& path, const Series& x) const {
    length(path + "/weight", x.weight.size(), documents_);
    shape(path + "/by_doc", x.by_doc, documents_, positions(x.axis));
    if (!x.joint.empty() || !x.joint_error.empty()) {
      length(path + "/joint", x.joint.size(), positions(x.axis));
      length(path + "/joint_error", x.joint_error.size(), positions(x.axis));
    }
  }
  void cka(const std::string& path, const CkaRecord& x) const {
    const std::size_t n = x.value.rows == 0 ? 0 : positions(Axis::state);
    shape(path + "/value", x.value, n, n);
    if (find_cka(run_.trace, x.tokens, x.scale) != &x) {
      bad_(path + "/tokens", "the same token set twice", "one matrix for each and each scale");
    }
  }
  void spectrum(const std::string& path, const SpectrumRecord& x) const {
    if (find_spectrum(run_.trace, x.tokens) != &x) {
      bad_(path + "/tokens", "the same token set twice", "one spectrum for each");
    }
    if (x.width < 1) bad_(path + "/width", fmt::format("{}", x.width), "at least one dimension");
    if (x.probes < 0) bad_(path + "/probes", fmt::format("{}", x.probes), "0 for eigenvalues, or how many");
    if (x.entries < 0 || (x.probes > 0 && x.entries % x.probes != 0)) {
      bad_(path + "/entries", fmt::format("{}", x.entries), "0, or as many for each probe");
    }
    length(path + "/shrinkage", x.shrinkage.size(), x.entries == 0 ? 0 : positions(Axis::state));
    if (x.value.rows == 0 && x.multiplicity.rows == 0) return;
    const auto entries = static_cast<std::size_t>(x.entries);
    shape(path + "/value", x.value, positions(Axis::state), entries);
    shape(path + "/multiplicity", x.multiplicity, positions(Axis::state), entries);
  }
  // Of a curve, or of its summary.
  template <class T>
  void place(const std::string& path, const T& x) const {
    range(path + "/span", x.span, 1, layers_);
    const int last = x.axis == Axis::state ? layers_ : layers_ - x.span;
    range(path + "/place", x.place, x.axis == Axis::edge ? 1 : 0, last);
    const int parts = x.intervention == "expert_drop" ? kMostExperts : std::max(0, run_.trace.model.heads);
    range(path + "/head", x.head, -1, parts - 1);
  }
  void curve(const std::string& path, const DoseCurve& x) const {
    place(path, x);
    shape(path + "/kl_nats", x.kl_nats, documents_, x.strength.size());
    shape(path + "/delta_nll_nats", x.delta_nll_nats, documents_, x.strength.size());
    if (x.top1_agreement.rows != 0)
      shape(path + "/top1_agreement", x.top1_agreement, documents_, x.strength.size());
    if (x.embedding_distance.rows != 0 || !run_.trace.model.has_head())
      shape(path + "/embedding_distance", x.embedding_distance, documents_, x.strength.size());
    int before = -1;
    for (const int document : x.documents) {
      range(path + "/documents", document, before + 1, static_cast<int>(documents_) - 1);
      before = document;
    }
    length(path + "/sampling_error", x.sampling_error.size(), x.documents.empty() ? 0 : x.strength.size());
  }
  void sink(const std::string& path, const SinkToken& x) const {
    range(path + "/document", x.document, 0, static_cast<int>(documents_) - 1);
    range(path + "/onset_state", x.onset_state, 0, layers_);
    range(path + "/offset_state", x.offset_state, x.onset_state, layers_);
  }
  void sink_path(const std::string& path, const SinkPath& x) const {
    length(path + "/length", x.length.size(), positions(Axis::state));
    length(path + "/ratio", x.ratio.size(), positions(Axis::state));
    length(path + "/massive", x.massive.size(), positions(Axis::state));
    length(path + "/dimension", x.dimension.size(), positions(Axis::state));
  }
  void lens_passage(const std::string& path, const LensPassage& x) const {
    range(path + "/document", x.document, 0, static_cast<int>(documents_) - 1);
    length(path + "/rows", x.rows.size(), positions(Axis::state));
    each(path + "/rows", x.rows, [&](const auto& p, const LensRow& row) {
      length(p + "/token_id", row.token_id.size(), x.token_id.size());
      length(p + "/probability", row.probability.size(), x.token_id.size());
    });
  }
  void segment(const std::string& path, const Segment& x) const {
    range(path + "/begin", x.begin, 0, layers_ - 1);
    range(path + "/end", x.end, x.begin + 1, layers_);
  }
  void estimate(const std::string& path, const EdgeEstimate& x) const {
    range(path + "/edge", x.edge, 1, layers_ - 1);
    if (!x.histogram.empty()) length(path + "/histogram", x.histogram.size(), positions(Axis::edge));
  }
  void detection(const std::string& path, const Detection& x) const {
    each(path + "/boundaries", x.boundaries, [&](const auto& p, const auto& e) { estimate(p, e); });
    each(path + "/forced_two", x.forced_two, [&](const auto& p, const auto& e) { estimate(p, e); });
    each(path + "/fits", x.fits, [&](const auto& p, const ModelFit& fit) { edges(p + "/edges", fit.edges); });
    if (!x.evidence.empty()) length(path + "/evidence", x.evidence.size(), positions(Axis::edge));
    range(path + "/first_edge", x.first_edge, 0, layers_ - 1);
    range(path + "/last_edge", x.last_edge, 0, layers_ - 1);
  }
  void edges(const std::string& path, const std::vector<int>& values) const {
    each(path, values, [&](const auto& p, int edge) { range(p, edge, 1, layers_ - 1); });
  }
  void reproduction(const std::string& path, const Reproduction& x) const {
    edges(path + "/edges", x.edges);
    if (!x.difference.empty()) length(path + "/difference", x.difference.size(), positions(Axis::edge));
  }
  void group_left_out(const std::string& path, const GroupLeftOut& x) const {
    edges(path + "/edges", x.edges);
    edges(path + "/forced_two", x.forced_two);
  }
  void split(const std::string& path, const StateSplit& x) const {
    range(path + "/state", x.state, 0, layers_);
    length(path + "/kappa_by_doc", x.kappa_by_doc.size(), documents_);
    length(path + "/absolute_by_doc", x.absolute_by_doc.size(), documents_);
    length(path + "/rms_effective_by_doc", x.rms_effective_by_doc.size(), documents_);
    length(path + "/rms_median_by_doc", x.rms_median_by_doc.size(), documents_);
  }
  void dose(const std::string& path, const DoseSummary& x) const { place(path, x); }
  void agreement(const std::string& path, const Agreement& x) const {
    shape(path + "/distance", x.distance, x.detectors.size(), x.detectors.size());
  }
  void random_twins(const std::string& path, const RandomTwins& x) const {
    const std::size_t twins = x.statistic.size();
    length(path + "/selected_k", x.selected_k.size(), twins);
    length(path + "/verdict", x.verdict.size(), twins);
    shape(path + "/forced_two", x.forced_two, twins, 2);
    range(path + "/rank", x.rank, x.defined ? 1 : 0, static_cast<int>(twins) + 1);
  }
  void null_profile(const std::string& path, const NullProfile& x) const {
    each(path + "/detections", x.detections,
         [&](const auto& p, const NullDetection& d) { edges(p + "/edges", d.edges); });
    each(path + "/series", x.series, [&](const auto& p, const NullSeries& s) {
      const std::size_t places = positions(s.axis);
      length(p + "/mean", s.mean.size(), places);
      if (!s.low.empty()) length(p + "/low", s.low.size(), places);
      length(p + "/high", s.high.size(), s.low.size());
      if (!s.model.empty()) length(p + "/model", s.model.size(), places);
    });
  }
  void findings() const {
    const Findings& f = run_.findings;
    range("/findings/headline", f.headline, -1, static_cast<int>(f.detections.size()) - 1);
    each("/findings/detections", f.detections, [&](const auto& path, const auto& x) { detection(path, x); });
    each("/findings/reproductions", f.reproductions,
         [&](const auto& path, const auto& x) { reproduction(path, x); });
    each("/findings/groups_left_out", f.groups_left_out,
         [&](const auto& path, const auto& x) { group_left_out(path, x); });
    each("/findings/agreement", f.agreement, [&](const auto& path, const auto& x) { agreement(path, x); });
    each("/findings/random_twins", f.random_twins,
         [&](const auto& path, const auto& x) { random_twins(path, x); });
    each("/findings/null_profiles", f.null_profiles,
         [&](const auto& path, const auto& x) { null_profile(path, x); });
    each("/findings/segments", f.segments, [&](const auto& path, const auto& x) { segment(path, x); });
    for (const Segment* range_of : {&f.start_up, &f.read_out}) {
      const std::string path = range_of == &f.start_up ? "/findings/start_up" : "/findings/read_out";
      range(path + "/begin", range_of->begin, 0, layers_);
      range(path + "/end", range_of->end, range_of->begin, layers_);
    }
    each("/findings/edge_changes", f.edge_changes,
         [&](const auto& path, const EdgeChange& x) { range(path + "/edge", x.edge, 1, layers_ - 1); });
    each("/findings/odd_blocks", f.odd_blocks,
         [&](const auto& path, const OddBlock& x) { range(path + "/block", x.block, 0, layers_ - 1); });
    each("/findings/carriers", f.carriers, [&](const auto& path, const CarrierEvent& x) {
      range(path + "/first_state", x.first_state, 0, layers_);
      range(path + "/last_state", x.last_state, x.first_state, layers_);
      for (const auto* blocks : {&x.written_by, &x.removed_by}) {
        each(path + (blocks == &x.written_by ? "/written_by" : "/removed_by"), *blocks,
             [&](const auto& p, int block) { range(p, block, 0, layers_ - 1); });
      }
    });
    each("/findings/kappa", f.kappa,
         [&](const auto& path, const auto& x) { range(path + "/state", x.state, 0, layers_); });
    each("/findings/splits", f.splits, [&](const auto& path, const auto& x) { split(path, x); });
    each("/findings/doses", f.doses, [&](const auto& path, const auto& x) { dose(path, x); });
    each("/findings/brittleness", f.brittleness,
         [&](const auto& path, const auto& x) { segment(path + "/segment", x.segment); });
    each("/findings/embedding", f.embedding,
         [&](const auto& path, const auto& x) { range(path + "/state", x.state, 0, layers_); });
    each("/findings/embedding_segments", f.embedding_segments,
         [&](const auto& path, const auto& x) { segment(path + "/segment", x.segment); });
    each("/findings/rate_distortion", f.rate_distortion,
         [&](const auto& path, const auto& x) { range(path + "/state", x.state, 0, layers_); });
    each("/findings/segment_rate_distortion", f.segment_rate_distortion,
         [&](const auto& path, const auto& x) { segment(path + "/segment", x.segment); });
  }

  const Run& run_;
  const Complaint& bad_;
  int layers_;
  std::size_t documents_;
};

}  // namespace

void validate(const Run& run, const Complaint& bad) {
  Validator(run, bad).all();
}

}  // namespace strata::record_json
