// A study file: which models on which texts, how to analyze them, and what a paper says. TOML or JSON of the
// same shape; the keys are in docs/compare.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strata/record/study.h"

namespace strata {

/// Flags of strata analyze by their names; what is not given keeps its default.
struct StudyAnalysis {
  std::optional<std::int64_t> lane_tokens, positions, lens_positions, label_samples, ctx_size, chunks, limit;
  std::optional<std::int64_t> surrogates, replicates, seed;
  std::string effort = "standard";
  std::vector<std::string> signals, interventions;
};

struct StudyText {
  std::string name;
  std::string path;              ///< as written; empty = the tales that come with strata
  bool boundaries_only = false;  ///< no perturbed lanes: enough for T10
};

struct StudyModel {
  std::string name;      ///< unique; by default the last part of `model`
  std::string model;     ///< path or Hub name; empty where `run` is given
  std::string run;       ///< a run directory to take instead of analyzing; then `text` says its text
  std::string text;      ///< of `run`: name of the text; empty = every text
  std::string family;    ///< empty = by its card
  std::string size;      ///< in words, "7B"; for people
  std::string training;  ///< "base", "instruct" or empty
};

struct StudyFile {
  StudyCard card;  ///< name, title, source, notes, seed, main text, families
  StudyAnalysis analysis;
  std::vector<StudyText> texts;  ///< at least one
  std::vector<StudyModel> models;
  std::vector<ExpectedFigure> expected;
  std::filesystem::path directory;  ///< of the file: what relative paths start from
};

/// Whether the name ends like a study file, .toml or .json.
[[nodiscard]] bool is_study_file(const std::filesystem::path& path);

/// Throws Error(bad_file) naming the key for anything unknown, missing, of a wrong type or out of range.
[[nodiscard]] StudyFile read_study_file(const std::filesystem::path& path);
/// The same from text; `toml` or JSON. `where` names it in errors.
[[nodiscard]] StudyFile parse_study_file(const std::string& text, bool toml, const std::string& where);

/// A path of the file: relative to the file's directory where that exists, else as written (a Hub name, or
/// relative to the working directory).
[[nodiscard]] std::filesystem::path resolve(const StudyFile& file, const std::string& path);

}  // namespace strata
