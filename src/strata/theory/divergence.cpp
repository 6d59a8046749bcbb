#include "strata/theory/divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "strata/base/error.h"
#include "strata/stats/student.h"

namespace strata {
namespace {

constexpr double kUpper = 0.95;  // each side of a 90% interval leaves 5% out

Estimate with_interval(double mean, double standard_error, std::size_t documents) {
  Estimate e{
      .mean = mean, .standard_error = standard_error, .interval_90 = {kUndefinedValue, kUndefinedValue}};
  if (documents < 2 || !std::isfinite(standard_error)) return e;
  const double reach = stats::student_quantile(kUpper, static_cast<double>(documents - 1)) * standard_error;
  e.interval_90 = {mean - reach, mean + reach};
  return e;
}

// Every column of a documents x places matrix.
std::vector<Estimate> estimates(const Matrix& by_doc, const std::vector<double>& weight) {
  const auto mean = weighted_mean(by_doc, weight), error = weighted_standard_error(by_doc, weight);
  std::vector<Estimate> out;
  for (std::size_t i = 0; i < by_doc.cols; ++i) {
    std::size_t documents = 0;
    for (std::size_t d = 0; d < by_doc.rows; ++d)
      documents += weight[d] > 0.0 && !std::isnan(by_doc(d, i)) ? 1 : 0;
    out.push_back(with_interval(mean[i], error[i], documents));
  }
  return out;
}

Estimate estimate(const std::vector<double>& values, const std::vector<double>& weight) {
  Matrix column(values.size(), 1);
  column.data = values;
  return estimates(column, weight)[0];
}

template <class Value>
std::vector<double> of_documents(const DivergenceRecord& record, const Value& value) {
  std::vector<double> out;
  for (const DivergenceDocument& document : record.documents)
    out.push_back(static_cast<double>(value(document)));
  return out;
}

std::vector<double> lane_weight(const DivergenceRecord& record) {
  return of_documents(record, [](const DivergenceDocument& d) { return d.lane_scored; });
}

std::vector<Estimate> series_estimates(const DivergenceRecord& record, std::string_view id, TokenSet tokens) {
  const Series* const series = find_series(record, id, tokens);
  STRATA_CHECK(series != nullptr);
  return estimates(series->by_doc, series->weight);
}

void add_outputs(const DivergenceRecord& record, DivergenceFindings& f) {
  const auto scored = of_documents(record, [](const DivergenceDocument& d) { return d.scored; });
  const auto original = of_documents(record, [](const DivergenceDocument& d) { return d.nll_original_nats; });
  const auto other = of_documents(record, [](const DivergenceDocument& d) { return d.nll_other_nats; });
  std::vector<double> change(original.size());
  std::transform(other.begin(), other.end(), original.begin(), change.begin(), std::minus<>());
  f.kl_nats = estimate(of_documents(record, [](const DivergenceDocument& d) { return d.kl_nats; }), scored);
  f.delta_nll_nats = estimate(change, scored);
  f.same_top = estimate(of_documents(record, [](const DivergenceDocument& d) { return d.same_top; }), scored);
  f.perplexity_original = std::exp(estimate(original, scored).mean);
  f.perplexity_other = std::exp(estimate(other, scored).mean);
}

void add_parts(const DivergenceRecord& record, DivergenceFindings& f) {
  const auto weight = lane_weight(record);
  for (const Substitution& s : record.substitutions) {
    const Estimate kl = estimate(s.kl_nats, weight);
    if (s.part == Part::everything) {
      f.lane_kl_nats = kl;
      continue;
    }
    f.parts.push_back({.part = s.part,
                       .block = s.block,
                       .kl_nats = kl,
                       .delta_nll_nats = estimate(s.delta_nll_nats, weight)});
    f.sum_of_parts_nats += kl.mean;
  }
  std::vector<std::size_t> order(f.parts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto size = [&](std::size_t i) {  // a part that overflows the logits is the worst there is
      const double kl = f.parts[i].kl_nats.mean;
      return std::isfinite(kl) ? kl : std::numeric_limits<double>::infinity();
    };
    return size(a) > size(b);
  });
  for (std::size_t i = 0; i < order.size(); ++i) f.parts[order[i]].rank = static_cast<int>(i) + 1;
  for (PartDamage& part : f.parts)
    part.share = f.sum_of_parts_nats > 0.0 ? part.kl_nats.mean / f.sum_of_parts_nats : kUndefinedValue;
}

// Ratio of two sums over documents, with the linearised standard error (Cochran, Sampling Techniques, 6.4).
Estimate ratio(const std::vector<double>& above, const std::vector<double>& below,
               const std::vector<double>& weight) {
  double top = 0.0, bottom = 0.0;
  std::size_t documents = 0;
  const auto counts = [&](std::size_t d) { return weight[d] > 0.0 && !std::isnan(above[d] + below[d]); };
  for (std::size_t d = 0; d < weight.size(); ++d) {
    if (!counts(d)) continue;
    top += weight[d] * above[d];
    bottom += weight[d] * below[d];
    ++documents;
  }
  if (!(bottom > 0.0)) return {kUndefinedValue, kUndefinedValue, {kUndefinedValue, kUndefinedValue}};
  const double value = top / bottom;
  if (documents < 2) return with_interval(value, kUndefinedValue, documents);
  double square = 0.0;
  for (std::size_t d = 0; d < weight.size(); ++d) {
    if (!counts(d)) continue;
    const double residual = weight[d] * (above[d] - value * below[d]);
    square += residual * residual;
  }
  const auto n = static_cast<double>(documents);
  return with_interval(value, std::sqrt(n / (n - 1.0) * square) / bottom, documents);
}

void add_additivity(const DivergenceRecord& record, DivergenceFindings& f) {
  std::vector<double> sum(record.documents.size(), 0.0), everything;
  for (const Substitution& s : record.substitutions) {
    if (s.part == Part::everything) {
      everything = s.kl_nats;
      continue;
    }
    for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += s.kl_nats[d];
  }
  STRATA_CHECK(everything.size() == sum.size());
  f.additivity = ratio(sum, everything, lane_weight(record));
}

void add_beginning(const DivergenceRecord& record, DivergenceFindings& f) {
  for (std::size_t s = 0; s < f.relative_difference.size() && f.begins_at_state < 0; ++s) {
    const Estimate& e = f.relative_difference[s];
    const double lowest = std::isnan(e.interval_90.lo) ? e.mean : e.interval_90.lo;
    if (lowest > f.threshold) f.begins_at_state = static_cast<int>(s);
  }
  for (std::size_t s = 0; s < record.differing_tokens.size() && f.first_difference < 0; ++s) {
    if (record.differing_tokens[s] > 0) f.first_difference = static_cast<int>(s);
  }
  f.identical = f.first_difference < 0 && record.differing_logits == 0;
}

std::string figure(double x, const char* format) {
  return std::isfinite(x) ? fmt::format(fmt::runtime(format), x) : "undefined";
}

std::string with_range(const Estimate& e, const char* format) {
  const auto number = [&](double x) { return figure(x, format); };
  if (std::isnan(e.interval_90.lo)) return number(e.mean);
  return fmt::format("{} (90% interval {} to {})", number(e.mean), number(e.interval_90.lo),
                     number(e.interval_90.hi));
}

std::string part_name(const PartDamage& part) {
  if (part.part == Part::block) return fmt::format("block {}", part.block);
  return fmt::format("the {}", to_string(part.part));
}

std::string state_name(int state) {
  return state == 0 ? "state 0, the embedding"
                    : fmt::format("state {}, the output of block {}", state, state - 1);
}

std::string output_sentence(const DivergenceFindings& f) {
  return fmt::format(
      "KL(original || other) is {} nats per token; the NLL changes by {} nats, perplexity {} to {}; "
      "the "
      "most likely token is the same at {:.1f}% of positions.",
      with_range(f.kl_nats, "{:.3g}"), with_range(f.delta_nll_nats, "{:+.3g}"),
      figure(f.perplexity_original, "{:.4g}"), figure(f.perplexity_other, "{:.4g}"), 100.0 * f.same_top.mean);
}

std::string beginning_sentence(const DivergenceFindings& f) {
  if (f.first_difference < 0)
    return "The states are equal bit for bit; the models differ in the head (final norm and unembedding) "
           "alone.";
  if (f.begins_at_state < 0) {
    const auto largest =
        std::max_element(f.relative_difference.begin(), f.relative_difference.end(),
                         [](const Estimate& a, const Estimate& b) { return a.mean < b.mean; });
    return fmt::format(
        "No state differs by more than {:g} of its size at 95% confidence; the largest difference is {} at "
        "state "
        "{}. The first bit differs at {}.",
        f.threshold, with_range(*largest, "{:.3g}"), largest - f.relative_difference.begin(),
        state_name(f.first_difference));
  }
  const Estimate& e = f.relative_difference[static_cast<std::size_t>(f.begins_at_state)];
  return fmt::format("The damage begins at {}: the first whose relative difference exceeds {:g}, {}{}.",
                     state_name(f.begins_at_state), f.threshold, with_range(e, "{:.3g}"),
                     std::isnan(e.interval_90.lo) ? "; one document, so without an interval" : "");
}

std::string parts_sentence(const DivergenceFindings& f) {
  std::vector<const PartDamage*> order(f.parts.size());
  for (const PartDamage& part : f.parts) order[static_cast<std::size_t>(part.rank) - 1] = &part;
  const PartDamage& worst = *order[0];
  if (!std::isfinite(worst.kl_nats.mean))
    return fmt::format("Substituted alone, {} overflows the logits: its KL is undefined.", part_name(worst));
  if (!(worst.kl_nats.mean > 0.0)) return "No part changes the output when it is substituted alone.";
  std::string out =
      fmt::format("Substituted alone, {} does the most damage: KL {} nats, {:.0f}% of the sum over all parts",
                  part_name(worst), with_range(worst.kl_nats, "{:.3g}"), 100.0 * worst.share);
  std::vector<std::string> next;
  for (std::size_t i = 1; i < std::min<std::size_t>(3, order.size()); ++i) {
    if (order[i]->kl_nats.mean > 0.0)
      next.push_back(fmt::format("{} ({:.0f}%)", part_name(*order[i]), 100.0 * order[i]->share));
  }
  if (!next.empty()) out += fmt::format("; then {}", fmt::join(next, ", "));
  return out + ".";
}

std::string additivity_sentence(const DivergenceFindings& f) {
  if (!std::isfinite(f.sum_of_parts_nats) || !std::isfinite(f.lane_kl_nats.mean))
    return "Whether the parts add up is undefined: a lane overflows the logits.";
  if (std::isnan(f.additivity.mean)) return "Substituting everything changes no output on the lanes' tokens.";
  const std::string figures = fmt::format(
      "The parts substituted one at a time add up to {:.3g} nats, everything at once costs {:.3g}: ratio {}",
      f.sum_of_parts_nats, f.lane_kl_nats.mean, with_range(f.additivity, "{:.3g}"));
  const double lo = f.additivity.interval_90.lo, hi = f.additivity.interval_90.hi;
  const double gap = 100.0 * std::fabs(f.additivity.mean - 1.0);
  std::string reading = "with one document that cannot be told from an even sum";
  if (lo > 1.0) {
    reading = fmt::format("{:.2g}% more than everything at once, so the parts' errors partly cancel", gap);
  } else if (hi < 1.0) {
    reading =
        fmt::format("{:.2g}% less than everything at once, so the parts' errors reinforce each other", gap);
  } else if (!std::isnan(lo)) {
    reading = "the single parts explain the whole within the error";
  }
  return fmt::format("{}: {}.", figures, reading);
}

}  // namespace

DivergenceFindings conclude_divergence(const DivergenceRecord& record, const DivergenceQuestion& question) {
  DivergenceFindings f{.threshold = question.threshold};
  f.relative_difference = series_estimates(record, "relative_difference", TokenSet::ordinary);
  f.relative_difference_all = series_estimates(record, "relative_difference", TokenSet::all);
  f.cosine_distance = series_estimates(record, "cosine_distance", TokenSet::ordinary);
  f.cosine_distance_all = series_estimates(record, "cosine_distance", TokenSet::all);
  f.local_error = series_estimates(record, "local_error", TokenSet::ordinary);
  f.local_error_all = series_estimates(record, "local_error", TokenSet::all);
  add_outputs(record, f);
  add_parts(record, f);
  add_additivity(record, f);
  add_beginning(record, f);
  if (f.identical) {
    f.sentences = {"There is no difference: on this text every state and every logit is equal bit for bit."};
    return f;
  }
  f.sentences = {output_sentence(f), beginning_sentence(f), parts_sentence(f), additivity_sentence(f)};
  return f;
}

}  // namespace strata
