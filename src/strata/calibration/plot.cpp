// Shares with their intervals as SVG: one line for each cell, detector and depth.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "strata/calibration/calibrate.h"

namespace strata {
namespace {

constexpr double kLabelWidth = 230, kPlotWidth = 420, kLine = 13, kGap = 9, kTop = 46, kRight = 60;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

const char* colour_of(const std::string& detector) {
  if (detector == "either") return "#1a1a1a";
  if (detector == "states" || detector == "kernel_cka") return "#1b6ca8";
  if (detector == "signals" || detector == "fused") return "#c4561a";
  return "#6b6b6b";
}

struct Scale {
  double largest = 1.0;  // share at the right end
  [[nodiscard]] double x(double share) const {
    return kLabelWidth + kPlotWidth * std::min(share, largest) / largest;
  }
};

// Nulls lie near 0: the axis ends at a multiple of 5% above what is shown.
Scale scale_of(const std::vector<const CalibrationRow*>& rows) {
  double largest = 0.0;
  for (const CalibrationRow* row : rows) largest = std::max(largest, row->interval_95.hi);
  for (const double end : {0.1, 0.2, 0.5}) {
    if (largest <= end) return {end};
  }
  return {};
}

std::string axis(const Scale& scale, double height) {
  std::string out;
  for (int tick = 0; tick <= 5; ++tick) {
    const double share = scale.largest * tick / 5.0;
    out += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"#e4e4e4\"/>"
        "<text x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4:g}%</text>\n",
        scale.x(share), kTop - 6, height - 22, height - 8, 100.0 * share);
  }
  return out;
}

std::string mark(const CalibrationRow& row, const Scale& scale, double y) {
  const char* colour = colour_of(row.detector);
  return fmt::format(
      "<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"1.6\"/>"
      "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.2\" fill=\"{}\"/>"
      "<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\">L = {}</text>\n",
      scale.x(row.interval_95.lo), scale.x(row.interval_95.hi), y, y, colour, scale.x(row.share()), y, colour,
      kLabelWidth + kPlotWidth + 8, y + 4, colour, row.spec.n_layers);
}

std::string legend(const std::vector<const CalibrationRow*>& rows) {
  std::string out;
  std::set<std::string> seen;
  double x = kLabelWidth;
  for (const CalibrationRow* row : rows) {
    if (!seen.insert(row->detector).second) continue;
    out += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"30\" r=\"3.2\" fill=\"{}\"/><text x=\"{:.1f}\" y=\"34\">{}</text>\n",
        x + 4, colour_of(row->detector), x + 12, escaped(row->detector));
    x += 120;
  }
  return out;
}

}  // namespace

std::string calibration_svg(const std::vector<CalibrationRow>& rows, const std::string& kind,
                            const std::string& measure, const std::string& title) {
  std::vector<const CalibrationRow*> shown;
  for (const CalibrationRow& row : rows) {
    if (row.kind == kind && row.measure == measure) shown.push_back(&row);
  }
  if (shown.empty()) return {};
  std::vector<std::string> cells;
  for (const CalibrationRow* row : shown) {
    if (std::find(cells.begin(), cells.end(), row->cell) == cells.end()) cells.push_back(row->cell);
  }
  const Scale scale = scale_of(shown);
  std::string body;
  std::set<double> bars;
  double y = kTop;
  for (const std::string& cell : cells) {
    body += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kLabelWidth - 10,
                        y + kLine * 0.5 + 4, escaped(cell));
    for (const CalibrationRow* row : shown) {
      if (row->cell != cell) continue;
      body += mark(*row, scale, y + kLine * 0.5);
      if (row->bar) bars.insert(*row->bar);
      y += kLine;
    }
    y += kGap;
  }
  const double height = y + 26, width = kLabelWidth + kPlotWidth + kRight;
  for (const double bar : bars) {
    body += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"#333\" "
        "stroke-dasharray=\"4 3\"/>\n",
        scale.x(bar), kTop - 6, height - 22);
  }
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
             "height=\"{1:.0f}\" font-family=\"sans-serif\" font-size=\"11\">\n"
             "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
             "<text x=\"10\" y=\"18\" font-size=\"13\">{2}</text>\n",
             width, height, escaped(title)) +
         legend(shown) + axis(scale, height) + body + "</svg>\n";
}

std::vector<std::pair<std::string, std::string>> calibration_plots(const std::vector<CalibrationRow>& rows) {
  struct Plot {
    const char *file, *kind, *measure, *title;
  };
  static constexpr Plot kPlots[] = {
      {"right-k.svg", "recovery", "right_k", "Right number of boundaries; dashed: the bar"},
      {"nulls.svg", "null", "false_boundary", "False first boundaries; dashed: the bar"},
      {"published.svg", "published", "right_k",
       "Published shapes with two steps: right number; dashed: bars"},
      {"power.svg", "power", "right_k", "Right number of boundaries for two of them"},
      {"coverage.svg", "coverage", "coverage_90", "Coverage of the 90% intervals; dashed: the lower bar"},
      {"rules.svg", "rules", "near_thirds", "Splits near 1/3 and 2/3 of records without boundaries"},
      {"trained.svg", "trained", "recovered",
       "Networks of trained blocks: right number, each within one block"},
      {"trained-nulls.svg", "trained_null", "false_boundary",
       "Networks of trained blocks without boundaries: false ones"},
      {"networks.svg", "networks", "recovered", "Planted networks: right number, each within one layer"},
      {"random.svg", "random", "false_boundary", "Networks with random weights: false first boundaries"},
  };
  std::vector<std::pair<std::string, std::string>> plots;
  for (const Plot& plot : kPlots) {
    std::string svg = calibration_svg(rows, plot.kind, plot.measure, plot.title);
    if (!svg.empty()) plots.emplace_back(plot.file, std::move(svg));
  }
  return plots;
}

}  // namespace strata
