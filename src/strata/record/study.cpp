#include "strata/record/study.h"

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/text.h"
#include "strata/record/csv_cell.h"
#include "strata/record/json_reader.h"
#include "strata/record/json_writer.h"
#include "strata/record/study_fields.h"

namespace strata {
namespace {

// One row of families.csv.
struct FamilyRow {
  std::string table, family, against, quantity;
  int models = 0;
  double value = kUndefined;
  Interval interval_90 = kNoInterval;
  double p_value = kUndefined;
  std::string note;
};

void add(std::string& out, const FamilyRow& row) {
  out +=
      fmt::format("{},{},{},{},{},{},{},{},{},{}\n", row.table, csv_cell(row.family), csv_cell(row.against),
                  csv_cell(row.quantity), row.models, csv_cell(row.value), csv_cell(row.interval_90.lo),
                  csv_cell(row.interval_90.hi), csv_cell(row.p_value), csv_cell(row.note));
}

void add(std::string& out, const FamilyFigure& f, const std::string& prefix = {}) {
  const auto row = [&](const char* what, double value, Interval interval) {
    add(out, {.table = prefix + what,
              .family = f.family,
              .against = {},
              .quantity = f.quantity,
              .models = f.models,
              .value = value,
              .interval_90 = interval,
              .note = {}});
  };
  row("mean", f.mean, kNoInterval);
  row("sd", f.sd, f.sd_interval_90);
  row("cv", f.cv, kNoInterval);
  row("location_error", f.location_error, kNoInterval);
  row("sd_without_error", f.sd_without_error, kNoInterval);
  row("smooth_sd", f.smooth_sd, kNoInterval);
}

void add(std::string& out, const SpreadContrast& s) {
  add(out, {.table = "ln_sd_ratio",
            .family = s.family,
            .against = s.against,
            .quantity = s.quantity,
            .value = s.ln_sd_ratio,
            .interval_90 = s.ln_sd_ratio_interval_90,
            .p_value = s.p_value,
            .note = s.note});
  add(out, {.table = "brown_forsythe_f",
            .family = s.family,
            .against = s.against,
            .quantity = s.quantity,
            .value = s.brown_forsythe_f,
            .p_value = s.brown_forsythe_p,
            .note = {}});
}

void add(std::string& out, const SegmentGap& g, const std::string& prefix = {}) {
  const auto row = [&](const char* what, double value, Interval interval, const std::string& note) {
    add(out, {.table = prefix + what,
              .family = g.family,
              .against = g.against,
              .quantity = g.segment,
              .models = g.models + g.models_against,
              .value = value,
              .interval_90 = interval,
              .note = note});
  };
  row("gap_ln_kappa", g.ln_kappa, g.ln_kappa_interval_90, g.note);
  row("gap_ln_absolute", g.ln_absolute, g.ln_absolute_interval_90, g.reading);
  row("gap_scale", g.scale, kNoInterval, {});
  row("gap_rms_scale", g.rms_scale, kNoInterval, {});
  row("gap_remainder", g.remainder, kNoInterval, {});
  row("gap_smallest_pair", g.smallest_pair, kNoInterval, {});
  row("gap_largest_pair", g.largest_pair, kNoInterval, {});
}

// Of forced splits: the name of the table says so.
void add_forced(std::string& out, const ForcedSplits& forced) {
  for (const FamilyFigure& figure : forced.families) add(out, figure, "forced_");
  for (const SegmentGap& gap : forced.gaps) add(out, gap, "forced_");
  for (const Quantity& q : forced.distances) {
    add(out, {.table = "forced_distance",
              .family = {},
              .against = {},
              .quantity = q.name,
              .models = 1,
              .value = q.value,
              .note = q.note});
  }
}

void add(std::string& out, const VarianceShare& v) {
  const auto row = [&](const char* what, double value, double p) {
    add(out, {.table = what,
              .family = v.predictor,
              .against = {},
              .quantity = v.response,
              .models = v.models,
              .value = value,
              .p_value = p,
              .note = v.note});
  };
  row("r2_first", v.r2_first, v.p_first);
  row("r2_last", v.r2_last, v.p_last);
}

}  // namespace

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::supported:
      return "supported";
    case Outcome::refuted:
      return "refuted";
    case Outcome::undecided:
      return "undecided";
    case Outcome::moot:
      return "moot";
  }
  check_failed("a known outcome", __FILE__, __LINE__);
}

const char* to_string(TestSet set) {
  switch (set) {
    case TestSet::within_model:
      return "within_model";
    case TestSet::between_model:
      return "between_model";
    case TestSet::descriptive:
      return "descriptive";
  }
  check_failed("a known set of tests", __FILE__, __LINE__);
}

std::string study_json(const Study& study) {
  auto document = record_json::Json::object();
  document["schema_version"] = kStudySchemaVersion;
  document.update(record_json::to_json(study));
  return record_json::write_text(document);
}

Study parse_study_json(const std::string& text, const std::string& where) {
  const record_json::Path root{.file = &where, .hint = "run strata compare again"};
  const auto document = record_json::parse(text, root);
  record_json::check_schema(document, root, kStudySchemaVersion);
  Study study;
  record_json::read(document, root, study);
  for (StudyMember& m : study.members) {
    if (!m.forced || m.boundaries.empty()) continue;  // else written as it is now
    m.forced_boundaries = std::move(m.boundaries);
    m.forced_segments = std::move(m.segments);
    m.boundaries.clear();
    m.segments.clear();
  }
  return study;
}

std::string families_csv(const Study& study) {
  std::string out = "table,family,against,quantity,models,value,lo_90,hi_90,p_value,note\n";
  for (const FamilyFigure& figure : study.families) add(out, figure);
  for (const SpreadContrast& spread : study.spreads) add(out, spread);
  for (const SegmentGap& gap : study.gaps) add(out, gap);
  for (const VarianceShare& share : study.variance) add(out, share);
  for (const Dominance& d : study.dominance) {
    add(out, {.table = "dominance",
              .family = d.family,
              .against = {},
              .quantity = d.verdict,
              .value = d.r2_family,
              .p_value = d.p_value,
              .note = d.reason});
  }
  add_forced(out, study.forced_splits);
  return out;
}

std::string verdicts_csv(const Study& study) {
  std::string out =
      "id,set,outcome,tag,effect,effect_unit,lo_90,hi_90,region_lo,region_hi,p_value,p_adjusted,smallest_p,"
      "models,models_needed,forced,reason,models_tested,models_selected,power\n";
  for (const Verdict& v : study.verdicts) {
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", v.id,
                       to_string(v.set), to_string(v.outcome), csv_cell(v.tag), csv_cell(v.effect),
                       csv_cell(v.effect_unit), csv_cell(v.effect_interval_90.lo),
                       csv_cell(v.effect_interval_90.hi), csv_cell(v.claimed_region.lo),
                       csv_cell(v.claimed_region.hi), csv_cell(v.p_value), csv_cell(v.p_adjusted),
                       csv_cell(v.smallest_p), v.models, v.models_needed, v.forced ? 1 : 0,
                       csv_cell(v.reason), v.models_tested, v.models_selected, csv_cell(v.power));
  }
  return out;
}

void write_study(const std::filesystem::path& directory, const Study& study) {
  const std::string json = study_json(study);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw Error(ErrorKind::run_failed,
                {.where = directory.string(), .found = "cannot create the directory: " + error.message()});
  }
  write_file_atomic(directory / "families.csv", families_csv(study));
  write_file_atomic(directory / "verdicts.csv", verdicts_csv(study));
  write_file_atomic(directory / "study.json", json);  // last: where it is, the others are
}

Study read_study(const std::filesystem::path& directory) {
  const auto path = directory / "study.json";
  return parse_study_json(read_file(path), path.string());
}

}  // namespace strata
