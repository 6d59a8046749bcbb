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

// kappa at the input of each block, or the sensitivity of the embedding in its place, as a digit on a scale
// from its smallest (0) to its largest value (9), logarithmic.
std::string kappa_row(const Run& run) {
  std::vector<double> kappa(static_cast<std::size_t>(run.trace.n_layers()),
                            std::numeric_limits<double>::quiet_NaN());
  const auto put = [&](int state, double value) {
    if (state >= 0 && state < run.trace.n_layers() && value > 0.0)
      kappa[static_cast<std::size_t>(state)] = std::log(value);
  };
  for (const KappaEstimate& k : run.findings.kappa) put(k.state, k.kappa);
  for (const EmbeddingSensitivity& e : run.findings.embedding) put(e.state, e.value);
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
  const bool head = run.trace.model.has_head();
  return fmt::format("  {}   {}   0 = {}, 9 = {}{}, log scale\n", head ? "kappa" : "moves", row,
                     three_digits(std::exp(low)), three_digits(std::exp(high)), head ? " nats" : "");
}

struct TableRow {
  const Segment* segment = nullptr;
  double geometric = 0.0;
  Interval interval;
  double skip = 0.0;
};

std::vector<TableRow> table_rows(const Findings& findings) {
  std::vector<TableRow> rows;
  for (const SegmentEmbedding& s : findings.embedding_segments)
    rows.push_back({&s.segment, s.geometric, s.interval_90, s.skip_distance});
  if (!rows.empty()) return rows;
  for (const SegmentBrittleness& b : findings.brittleness)
    rows.push_back({&b.segment, b.kappa_geometric, b.kappa_interval_90, b.skip_kl_nats});
  return rows;
}

std::string segment_table(const Run& run) {
  std::size_t width = 14;
  const std::vector<TableRow> rows = table_rows(run.findings);
  for (const TableRow& row : rows) width = std::max(width, row.segment->name.size());
  const bool head = run.trace.model.has_head();
  std::string out =
      fmt::format("  {:<{}} {:<10} {:>6}  {:>11}  {:>19}  {:>11}\n", "segment", width, "blocks", "count",
                  head ? "kappa (geo)" : "moves (geo)", "90% interval", head ? "skip KL" : "skip 1-cos");
  for (const TableRow& row : rows) {
    const Segment& segment = *row.segment;
    const auto interval =
        fmt::format("{} .. {}", three_digits(row.interval.lo), three_digits(row.interval.hi));
    out += fmt::format("  {:<{}} {:<10} {:>6}  {:>11}  {:>19}  {:>11}\n", for_terminal(segment.name), width,
                       fmt::format("[{}, {})", segment.begin, segment.end), segment.end - segment.begin,
                       three_digits(row.geometric), interval, three_digits(row.skip));
  }
  return out;
}

}  // namespace

std::string answer_text(const std::vector<std::string>& sentences) {
  constexpr std::size_t kMost = 2;  // the rest is in the summary at the end
  std::string out;
  for (std::size_t i = 0; i < std::min(kMost, sentences.size()); ++i) out += wrapped(sentences[i], 2);
  return out;
}

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
