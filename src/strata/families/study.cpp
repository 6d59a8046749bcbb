#include "strata/families/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/words.h"
#include "strata/families/families.h"
#include "strata/families/predictions/prediction.h"
#include "strata/stats/quantile.h"

namespace strata {
namespace {

// 5th to 95th percentile over resamples of documents of a segment's mean.
Interval segment_interval(const Evidence& e, const Matrix& resamples, std::size_t segment) {
  std::vector<double> values;
  for (std::size_t r = 0; r < resamples.rows; ++r) {
    const auto row = resamples.row(r);
    const double x = segment_mean(e, {row.begin(), row.end()}, segment);
    if (std::isfinite(x)) values.push_back(x);
  }
  if (values.size() < 20) return kNoInterval;
  return {stats::quantile(values, 0.05), stats::quantile(values, 0.95)};
}

// Of the evidence's split.
StudySegment make_segment(const Evidence& e, std::size_t s) {
  const int bounds[] = {0, e.split.edges[0], e.split.edges[1], e.n_layers};
  StudySegment out{.segment = {kSegmentNames[s], bounds[s], bounds[s + 1]}};
  out.ln_kappa = segment_mean(e, e.ln_kappa, s);
  out.ln_kappa_interval_90 = segment_interval(e, e.kappa_resamples, s);
  out.ln_absolute = segment_mean(e, e.ln_absolute, s);
  out.ln_absolute_interval_90 = segment_interval(e, e.absolute_resamples, s);
  out.ln_rms_eff = 0.5 * (out.ln_kappa - out.ln_absolute);
  out.ln_rms = segment_mean(e, e.ln_rms, s);
  out.ln_skip_kl = segment_mean(e, e.ln_skip_kl, s);
  out.ln_beta = segment_mean(e, e.ln_beta, s);
  return out;
}

// The boundaries of the evidence's split, estimated as `from`, and the segments between them.
void add_split(const Evidence& e, const std::vector<EdgeEstimate>& from,
               std::vector<StudyBoundary>& boundaries, std::vector<StudySegment>& segments) {
  if (!e.split.defined()) return;
  for (std::size_t b = 0; b < 2; ++b) {
    boundaries.push_back(
        {.edge = e.split.edges[b],
         .depth = e.depth(b),
         .depth_interval_90 = {from[b].interval_90.lo / e.n_layers, from[b].interval_90.hi / e.n_layers},
         .location_error = location_error(e.split, b, e.n_layers)});
  }
  for (std::size_t s = 0; s < 3; ++s) segments.push_back(make_segment(e, s));
}

// The same evidence with forced splits in place of selected ones: for description only.
Evidence with_forced_split(const Evidence& evidence) {
  Evidence out = evidence;
  out.split = evidence.forced_split;
  out.by_detector = evidence.forced_by_detector;
  return out;
}

ForcedSplits describe_forced(const ModelList& main, const std::vector<std::string>& families,
                             const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::vector<Evidence> forced;
  for (const Evidence* e : main) forced.push_back(with_forced_split(*e));
  ModelList models;
  for (const Evidence& e : forced) {
    if (e.split.defined()) models.push_back(&e);
  }
  ForcedSplits out;
  for (FamilyFigure& f : family_figures(models, families)) {
    if (f.models > 0 && !f.quantity.ends_with("all_blocks")) out.families.push_back(std::move(f));
  }
  for (const auto& [family, against] : pairs) {
    const ModelList a = of_family(models, family), b = of_family(models, against);
    if (a.empty() || b.empty()) continue;
    for (std::size_t s = 0; s < 3; ++s) {
      out.gaps.push_back(segment_gap(a, b, s));
      out.gaps.back().reading.clear();
    }
  }
  for (const Evidence* e : models) {
    out.distances.push_back({.name = e->model,
                             .unit = "relative depth",
                             .value = split_distance(e->by_detector, e->n_layers),
                             .note = "mean |db| between the detectors' forced splits"});
  }
  return out;
}

// Every pair of families, the study's own two as variable over stable.
std::vector<std::pair<std::string, std::string>> family_pairs(const std::vector<std::string>& families,
                                                              const StudyCard& card) {
  std::vector<std::pair<std::string, std::string>> out;
  for (std::size_t i = 0; i < families.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool swapped = families[j] == card.variable_family && families[i] == card.stable_family;
      out.push_back(swapped ? std::pair(families[j], families[i]) : std::pair(families[i], families[j]));
    }
  }
  return out;
}

void check_unique(const std::vector<StudyEntry>& entries) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const StudyEntry& entry : entries) {
    if (seen.insert({entry.member.model, entry.member.text}).second) continue;
    throw Error(ErrorKind::usage, {.where = entry.member.model,
                                   .found = fmt::format("two runs on the text '{}'", entry.member.text),
                                   .expected = "one run of each model on each text",
                                   .hint = "name the models apart in a study file, or leave one out"});
  }
}

// What a reader must know before comparing numbers.
void add_warnings(const std::vector<StudyEntry>& entries, Study& study) {
  std::set<std::string> corpora;
  for (const StudyEntry& entry : entries) {
    if (entry.member.text != study.study.main_text) continue;  // only boundaries are asked of it
    corpora.insert(entry.member.corpus_sha256);
    if (!entry.evidence.note.empty()) {
      study.warnings.push_back(
          fmt::format("{} on {}: {}", entry.member.model, entry.member.text, entry.evidence.note));
    }
  }
  if (corpora.size() > 1) {
    study.warnings.push_back(
        fmt::format("runs on '{}' have {} different digests: the same name, not the same text",
                    study.study.main_text, corpora.size()));
  }
}

void add_sentences(Study& study) {
  std::vector<std::string> by_outcome[4];
  for (const Verdict& v : study.verdicts) by_outcome[static_cast<std::size_t>(v.outcome)].push_back(v.id);
  std::set<std::string> models, texts;
  for (const StudyMember& m : study.members) {
    models.insert(m.model);
    texts.insert(m.text);
  }
  const auto plural = [](std::size_t n, const char* noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
  };
  study.sentences.push_back(fmt::format("{} on {}, {}; T1 to T9 are about the text '{}'.",
                                        plural(models.size(), "model"), plural(texts.size(), "text"),
                                        plural(study.members.size(), "run"), study.study.main_text));
  for (const Outcome outcome : {Outcome::supported, Outcome::refuted, Outcome::undecided, Outcome::moot}) {
    const auto& ids = by_outcome[static_cast<std::size_t>(outcome)];
    const char* const why = outcome == Outcome::moot ? " (too few models with two selected boundaries)" : "";
    study.sentences.push_back(
        fmt::format("{}{}: {}{}.", static_cast<char>(std::toupper(to_string(outcome)[0])),
                    to_string(outcome) + 1, ids.empty() ? "none" : enumerated(ids), ids.empty() ? "" : why));
  }
  for (const SegmentGap& gap : study.gaps) {
    const bool whole = gap.segment == kSegmentNames[kAllBlocks];
    if ((gap.segment != "Local" && !whole) || !std::isfinite(gap.ln_absolute)) continue;
    study.sentences.push_back(fmt::format(
        "{} brittleness, {} over {}: {:.4g} (noise relative to each token's rms) x {:.4g} (scale) = {:.4g} "
        "(absolute noise){}.",
        whole ? "Mean" : "Local", gap.family, gap.against, std::exp(gap.ln_kappa), std::exp(gap.scale),
        std::exp(gap.ln_absolute), gap.reading.empty() ? "" : fmt::format("; it reads \"{}\"", gap.reading)));
  }
}

void set_ours(ExpectedFigure& figure, std::vector<double> values, std::string note) {
  std::erase_if(values, [](double x) { return !std::isfinite(x); });
  if (values.empty()) {
    figure.ours_note =
        "undefined in this study: too few models with two selected boundaries, or not measured";
    return;
  }
  figure.ours_lo = *std::min_element(values.begin(), values.end());
  figure.ours_hi = *std::max_element(values.begin(), values.end());
  figure.ours_note = std::move(note);
}

void add_ours(const Study& study, ExpectedFigure& figure) {
  std::vector<double> values;
  if (figure.quantity == "local_brittleness_ratio") {
    std::string pair;
    for (const SegmentGap& gap : study.gaps) {
      if (gap.segment != "Local") continue;
      values.push_back(std::exp(gap.ln_kappa));
      values.push_back(std::exp(gap.ln_absolute));
      pair += fmt::format("{}{} over {}", pair.empty() ? "" : ", ", gap.family, gap.against);
    }
    set_ours(figure, values, pair + ", under relative and under absolute noise");
    return;
  }
  const bool cv = figure.quantity == "boundary_cv";
  if (!cv && figure.quantity != "boundary_sd") {
    throw Error(ErrorKind::usage, {.where = "expected figure",
                                   .found = fmt::format("'{}'", figure.quantity),
                                   .expected = "one of " + enumerated(expected_quantities())});
  }
  for (const FamilyFigure& f : study.families) {
    if (f.family == figure.family && (f.quantity == "b1" || f.quantity == "b2"))
      values.push_back(cv ? f.cv : f.sd);
  }
  set_ours(figure, values, "of b1 and of b2, relative depth");
}

}  // namespace

std::string family_of_card(const ModelCard& card) {
  return card.family.starts_with("qwen") ? "qwen" : card.family;
}

const std::vector<std::string>& expected_quantities() {
  static const std::vector<std::string> kQuantities = {"boundary_cv", "boundary_sd",
                                                       "local_brittleness_ratio"};
  return kQuantities;
}

StudyEntry make_entry(const StudyRun& run, const StudyCard& card, int threads) {
  StudyEntry entry;
  entry.evidence =
      gather_evidence(run.run, {.seed = card.seed, .resamples = card.resamples, .threads = threads});
  Evidence& e = entry.evidence;
  e.model = run.model;
  e.family = run.family;
  e.text = run.text;
  e.training = run.training;
  const ModelCard& model = run.run.trace.model;
  const Findings& findings = run.run.findings;
  StudyMember& m = entry.member;
  m = {.model = run.model,
       .family = run.family,
       .text = run.text,
       .training = run.training,
       .hub_id = model.hub_id,
       .revision = model.revision,
       .checkpoint_sha256 = model.checkpoint_sha256,
       .corpus_sha256 = run.run.trace.run.corpus_sha256,
       .n_layers = model.n_layers,
       .hidden = model.hidden,
       .parameters = model.parameters,
       .detector = {},
       .selected_k = e.selected_k,
       .verdict = "not identified",
       .forced = e.tested && !e.split.defined() && e.forced_split.defined(),
       .ln_kappa = e.ln_kappa,
       .ln_absolute = e.ln_absolute,
       .ln_skip_kl = e.ln_skip_kl,
       .ln_beta = e.ln_beta,
       .note = e.note};
  if (findings.headline < 0) return entry;
  const Detection& headline = findings.detections[static_cast<std::size_t>(findings.headline)];
  m.detector = headline.detector;
  m.verdict = headline.verdict;
  add_split(e, headline.boundaries, m.boundaries, m.segments);
  add_split(with_forced_split(e), headline.forced_two, m.forced_boundaries, m.forced_segments);
  return entry;
}

Study make_study(StudyCard card, const std::vector<StudyEntry>& entries,
                 std::vector<ExpectedFigure> expected) {
  check_unique(entries);
  if (card.main_text.empty() && !entries.empty()) card.main_text = entries.front().member.text;
  Study study{.study = std::move(card)};
  StudyView view{.card = &study.study};
  for (const StudyEntry& entry : entries) {
    study.members.push_back(entry.member);
    view.all.push_back(&entry.evidence);
    if (entry.evidence.text == study.study.main_text) view.main.push_back(&entry.evidence);
  }
  const auto families = family_names(view.main);
  study.families = family_figures(view.main, families);
  const auto pairs = family_pairs(families, study.study);
  for (const auto& [family, against] : pairs) {
    const ModelList a = view.family(family), b = view.family(against);
    if (!a.empty() && !b.empty()) {
      study.spreads.push_back(contrast_spread(a, b, study.study));
      for (std::size_t s = 0; s < 3; ++s) study.gaps.push_back(segment_gap(a, b, s));
    }
    study.gaps.push_back(
        segment_gap(of_family(view.main, family), of_family(view.main, against), kAllBlocks));
  }
  study.forced_splits = describe_forced(view.main, families, pairs);
  study.variance = decompose_variance(view.main, study.study);
  study.dominance = judge_dominance(view.main, families, study.study);
  study.verdicts = judge(view);
  for (ExpectedFigure& figure : expected) add_ours(study, figure);
  study.expected = std::move(expected);
  add_warnings(entries, study);
  add_sentences(study);
  return study;
}

}  // namespace strata
