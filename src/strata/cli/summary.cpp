// The summary that analyze prints: sentences, the segments as a bar, kappa under it, a table.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "strata/base/text.h"
#include "strata/base/words.h"
#include "strata/cli/terminal.h"

namespace strata {
namespace {

constexpr std::size_t kTextColumns = 100;
constexpr const char* kColours[] = {"34", "33", "35", "32", "36", "31", "37"};

// `text` in lines of at most kTextColumns, each after `indent` spaces. Words are never cut.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::istringstream words(text);
  std::string out, line(indent, ' ');
  bool fresh = true;
  for (std::string word; words >> word;) {
    if (!fresh && line.size() + 1 + word.size() > kTextColumns) {
      out += line + '\n';
      line = std::string(indent + 2, ' ');
      fresh = true;
    }
    line += (fresh ? "" : " ") + word;
    fresh = false;
  }
  return out + line + '\n';
}

char letter_of(const Segment& segment, std::size_t index) {
  const bool paper = segment.name == "Local" || segment.name == "Intermediate" || segment.name == "Global";
  return paper ? segment.name.front() : static_cast<char>('A' + index % 26);
}

// One character per block, the segments apart by letter and colour; below it the first block of each.
std::string segment_bar(const std::vector<Segment>& segments) {
  std::string bar, ruler;
  std::size_t column = 0;
  for (std::size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    const auto blocks = static_cast<std::size_t>(segment.end - segment.begin);
    if (s > 0) bar += '|';
    if (s > 0) ++column;
    bar += painted(std::string(blocks, letter_of(segment, s)), kColours[s % std::size(kColours)]);
    const std::string first = std::to_string(segment.begin);
    // A number that would run into the one before it is left out.
    if (ruler.empty() || ruler.size() < column) ruler += std::string(column - ruler.size(), ' ') + first;
    column += blocks;
  }
  return fmt::format("  blocks  {}\n          {}\n", bar, ruler);
}

// kappa at the input of each block as a digit on a scale from its smallest (0) to its largest value (9),
// logarithmic.
std::string kappa_row(const Run& run) {
  std::vector<double> kappa(static_cast<std::size_t>(run.trace.n_layers()),
                            std::numeric_limits<double>::quiet_NaN());
  for (const KappaEstimate& k : run.findings.kappa) {
    if (k.state >= 0 && k.state < run.trace.n_layers() && k.kappa > 0.0)
      kappa[static_cast<std::size_t>(k.state)] = std::log(k.kappa);
  }
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double k : kappa) {
    if (std::isnan(k)) continue;
    low = std::min(low, k);
    high = std::max(high, k);
  }
  if (!(high > low)) return "";
  std::string row;
  for (const Segment& segment : run.findings.segments) {
    if (!row.empty()) row += '|';
    for (int block = segment.begin; block < segment.end; ++block) {
      const double k = kappa[static_cast<std::size_t>(block)];
      row += std::isnan(k) ? '?' : static_cast<char>('0' + std::lround(9.0 * (k - low) / (high - low)));
    }
  }
  return fmt::format("  kappa   {}   0 = {}, 9 = {} nats, log scale\n", row, three_digits(std::exp(low)),
                     three_digits(std::exp(high)));
}

std::string segment_table(const Run& run) {
  std::size_t width = 14;
  for (const SegmentBrittleness& b : run.findings.brittleness) width = std::max(width, b.segment.name.size());
  std::string out = fmt::format("  {:<{}} {:<10} {:>6}  {:>11}  {:>19}  {:>11}\n", "segment", width, "blocks",
                                "count", "kappa (geo)", "90% interval", "skip KL");
  for (const SegmentBrittleness& b : run.findings.brittleness) {
    const auto interval =
        fmt::format("{} .. {}", three_digits(b.kappa_interval_90.lo), three_digits(b.kappa_interval_90.hi));
    out +=
        fmt::format("  {:<{}} {:<10} {:>6}  {:>11}  {:>19}  {:>11}\n", for_terminal(b.segment.name), width,
                    fmt::format("[{}, {})", b.segment.begin, b.segment.end), b.segment.end - b.segment.begin,
                    three_digits(b.kappa_geometric), interval, three_digits(b.skip_kl_nats));
  }
  return out;
}

}  // namespace

std::string summary_text(const Run& run, const std::string& report_path) {
  std::string out =
      fmt::format("\n{} ({}, {}) on {}\n", painted(for_terminal(run.trace.model.name), "1"),
                  run.trace.model.family, counted(static_cast<std::uint64_t>(run.trace.n_layers()), "block"),
                  for_terminal(run.trace.run.corpus_name));
  for (const std::string& sentence : run.findings.sentences) out += wrapped(for_terminal(sentence), 2);
  if (!run.findings.segments.empty()) {
    out += '\n' + segment_bar(run.findings.segments) + kappa_row(run);
    if (run.findings.segments_forced)
      out += "  " + painted("forced: the tests did not select these boundaries", "33") + '\n';
    out += "  blocks are 0-based, ranges half-open: [start, end)\n\n";
    out += segment_table(run);
  }
  if (!report_path.empty()) out += fmt::format("\nreport: {}\n", for_terminal(report_path));
  return out;
}

}  // namespace strata
