#include "strata/cli/study_text.h"

#include <fmt/format.h>

#include <cmath>

#include "strata/cli/terminal.h"

namespace strata {
namespace {

constexpr std::size_t kWidth = 100;

std::string interval(const Interval& i) {
  return std::isnan(i.lo) && std::isnan(i.hi)
             ? ""
             : fmt::format("[{}, {}]", three_digits(i.lo), three_digits(i.hi));
}

// The claimed region, like ">= 0.8" or "<= 0.1 or >= 10".
std::string region(const Interval& i, bool outside) {
  if (outside) return fmt::format("<= {} or >= {}", three_digits(i.lo), three_digits(i.hi));
  if (std::isnan(i.lo) && std::isnan(i.hi)) return "";
  if (std::isnan(i.hi)) return ">= " + three_digits(i.lo);
  if (std::isnan(i.lo)) return "<= " + three_digits(i.hi);
  return fmt::format("{} to {}", three_digits(i.lo), three_digits(i.hi));
}

// Breaks a text into lines, each behind `indent` spaces.
std::string filled(const std::string& text, std::size_t indent) {
  std::string out, line(indent, ' ');
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find(' ', begin);
    if (end == std::string::npos) end = text.size();
    const std::string word = text.substr(begin, end - begin);
    if (line.size() > indent && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line.assign(indent, ' ');
    }
    if (line.size() > indent) line += ' ';
    line += word;
    begin = end + 1;
  }
  return out + line + "\n";
}

std::string depth_text(const std::vector<StudyBoundary>& boundaries) {
  if (boundaries.size() != 2) return "-";
  return fmt::format("{:.2f} {:.2f}", boundaries[0].depth, boundaries[1].depth);
}

// Geometric mean of kappa over all blocks' inputs.
double mean_ln_kappa(const StudyMember& m) {
  double sum = 0.0, n = 0.0;
  for (const double x : m.ln_kappa) {
    if (!std::isfinite(x)) continue;
    sum += x;
    n += 1.0;
  }
  return n > 0.0 ? sum / n : kUndefined;
}

std::string members_text(const Study& study) {
  std::string out = fmt::format("  {:<28} {:<8} {:<14} {:>6}  {:<14} {:<10} {:>8} {:>14}\n", "model",
                                "family", "text", "blocks", "verdict", "b1 b2", "ln kappa", "Local ln kappa");
  for (const StudyMember& m : study.members) {
    out += fmt::format("  {:<28} {:<8} {:<14} {:>6}  {:<14} {:<10} {:>8} {:>14}\n", m.model, m.family, m.text,
                       m.n_layers, m.verdict, depth_text(m.boundaries), three_digits(mean_ln_kappa(m)),
                       m.segments.empty() ? "-" : three_digits(m.segments[0].ln_kappa));
  }
  return out + "  b: boundary / blocks, where the tests select two; ln kappa: mean over all blocks\n";
}

std::string forced_text(const Study& study) {
  std::string out;
  for (const StudyMember& m : study.members) {
    if (!m.forced || m.forced_boundaries.size() != 2) continue;
    out += fmt::format("  {:<28} {:<14} {}\n", m.model, m.text, depth_text(m.forced_boundaries));
  }
  if (out.empty()) return out;
  return "\n  Forced splits (b1 b2). They exist in any model; no verdict rests on them.\n" + out;
}

std::string expected_text(const Study& study) {
  std::string out;
  for (const ExpectedFigure& f : study.expected) {
    const auto range = [](double lo, double hi) {
      return lo == hi ? three_digits(lo) : fmt::format("{} to {}", three_digits(lo), three_digits(hi));
    };
    out += fmt::format("  {} {}: paper {}, here {} ({})\n", f.family, f.quantity, range(f.lo, f.hi),
                       std::isnan(f.ours_lo) ? "-" : range(f.ours_lo, f.ours_hi), f.ours_note);
  }
  return out;
}

std::string verdict_text(const Verdict& v) {
  std::string out = fmt::format("  {:<4} {:<10} {}\n", v.id, to_string(v.outcome), v.title);
  if (!std::isnan(v.effect)) {
    out += fmt::format(
        "       {} {} {}; claimed {}{}\n", three_digits(v.effect), v.effect_unit,
        interval(v.effect_interval_90), region(v.claimed_region, v.claimed_outside),
        std::isnan(v.p_value)
            ? ""
            : fmt::format("; p {}{}", three_digits(v.p_value),
                          std::isnan(v.p_adjusted) ? "" : ", adjusted " + three_digits(v.p_adjusted)));
  }
  return out + filled(v.reason, 7);
}

}  // namespace

std::string study_text(const Study& study) {
  std::string out =
      fmt::format("\n{}\n", study.study.title.empty() ? "study " + study.study.name : study.study.title);
  for (const std::string& sentence : study.sentences) out += filled(sentence, 2);
  out += "\n" + members_text(study);
  out += forced_text(study);
  if (!study.expected.empty()) out += "\n" + expected_text(study);
  out += "\n";
  for (const Verdict& v : study.verdicts) out += verdict_text(v);
  return out + "  effect [90% interval]; p adjusted by Holm's method within T1-T3, T8, T9 and within T4-T7\n";
}

}  // namespace strata
