#include "strata/record/divergence.h"

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/record/csv_cell.h"
#include "strata/record/divergence_fields.h"
#include "strata/record/json_reader.h"
#include "strata/record/json_writer.h"

namespace strata {
namespace {

// One line of the table: what, where, of which tokens.
struct MeasureRow {
  const char* axis;  // "state", "block", "part", "output"
  std::string place;
  const char* measure;
  const char* tokens;
  const char* unit;
};

void add(std::string& out, const MeasureRow& row, const Estimate& e) {
  out += fmt::format("{},{},{},{},{},{},{},{},{}\n", row.axis, row.place, row.measure, row.tokens, row.unit,
                     csv_cell(e.mean), csv_cell(e.standard_error), csv_cell(e.interval_90.lo),
                     csv_cell(e.interval_90.hi));
}

void add_all(std::string& out, MeasureRow row, const std::vector<Estimate>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    row.place = fmt::format("{}", i);
    add(out, row, values[i]);
  }
}

// One estimate for each state or block, whose number the first table gives.
void check_lengths(const DivergenceRecord& record, const record_json::Path& root) {
  const DivergenceFindings& f = record.findings;
  const std::size_t states = f.relative_difference.size();
  const auto check = [&](const char* key, std::size_t found, std::size_t expected) {
    if (found == expected) return;
    record_json::bad({.parent = &root, .key = key}, fmt::format("{} entries", found),
                     fmt::format("{}", expected));
  };
  if (record.original.n_layers < 1 || states != static_cast<std::size_t>(record.original.n_layers) + 1) {
    record_json::bad({.parent = &root, .key = "relative_difference"}, fmt::format("{} entries", states),
                     "one for each state");
  }
  check("relative_difference_all", f.relative_difference_all.size(), states);
  check("cosine_distance", f.cosine_distance.size(), states);
  check("cosine_distance_all", f.cosine_distance_all.size(), states);
  check("local_error", f.local_error.size(), states - 1);
  check("local_error_all", f.local_error_all.size(), states - 1);
  check("differing_tokens", record.differing_tokens.size(), states);
}

}  // namespace

const char* to_string(Part part) {
  switch (part) {
    case Part::everything:
      return "everything";
    case Part::embedding:
      return "embedding";
    case Part::block:
      return "block";
    case Part::head:
      return "head";
  }
  check_failed("a known part", __FILE__, __LINE__);
}

const Series* find_series(const DivergenceRecord& record, std::string_view id, TokenSet tokens) {
  for (const Series& series : record.series) {
    if (series.id == id && series.tokens == tokens) return &series;
  }
  return nullptr;
}

std::string divergence_json(const DivergenceRecord& record) {
  auto document = record_json::Json::object();
  document["schema_version"] = kDivergenceSchemaVersion;
  document.update(record_json::to_json(record));
  return record_json::write_text(document);
}

DivergenceRecord parse_divergence_json(const std::string& text, const std::string& where) {
  const record_json::Path root{.file = &where, .hint = "run strata compare again"};
  const auto document = record_json::parse(text, root);
  record_json::check_schema(document, root, kDivergenceSchemaVersion);
  DivergenceRecord record;
  record_json::read(document, root, record);
  check_lengths(record, root);
  return record;
}

DivergenceRecord read_divergence(const std::filesystem::path& directory) {
  const auto path = directory / "divergence.json";
  return parse_divergence_json(read_file(path), path.string());
}

std::string divergence_csv(const DivergenceRecord& record) {
  const DivergenceFindings& f = record.findings;
  std::string out = "axis,place,measure,tokens,unit,mean,se,lo_90,hi_90\n";
  add_all(out, {"state", "", "relative_difference", "ordinary", "1"}, f.relative_difference);
  add_all(out, {"state", "", "relative_difference", "all", "1"}, f.relative_difference_all);
  add_all(out, {"state", "", "cosine_distance", "ordinary", "1"}, f.cosine_distance);
  add_all(out, {"state", "", "cosine_distance", "all", "1"}, f.cosine_distance_all);
  add_all(out, {"block", "", "local_error", "ordinary", "1"}, f.local_error);
  add_all(out, {"block", "", "local_error", "all", "1"}, f.local_error_all);
  for (const PartDamage& part : f.parts) {
    const bool block = part.part == Part::block;
    const std::string place = block ? fmt::format("{}", part.block) : to_string(part.part);
    const char* const axis = block ? "block" : "part";
    add(out, {axis, place, "substitution_kl", "scored", "nats"}, part.kl_nats);
    add(out, {axis, place, "substitution_delta_nll", "scored", "nats"}, part.delta_nll_nats);
  }
  add(out, {"part", "everything", "substitution_kl", "scored", "nats"}, f.lane_kl_nats);
  add(out, {"part", "everything", "additivity", "scored", "1"}, f.additivity);
  add(out, {"output", "", "kl", "scored", "nats"}, f.kl_nats);
  add(out, {"output", "", "delta_nll", "scored", "nats"}, f.delta_nll_nats);
  add(out, {"output", "", "same_top", "scored", "share"}, f.same_top);
  return out;
}

void write_divergence(const std::filesystem::path& directory, const DivergenceRecord& record) {
  const std::string json = divergence_json(record);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw Error(ErrorKind::run_failed,
                {.where = directory.string(), .found = "cannot create the directory: " + error.message()});
  }
  write_file_atomic(directory / "divergence.csv", divergence_csv(record));
  write_file_atomic(directory / "divergence.json", json);  // last: where it is, the table is
}

}  // namespace strata
