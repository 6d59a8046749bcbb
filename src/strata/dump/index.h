// index.json of a dump: which file is what, of which model and text, and which files are whole.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "strata/dump/array_file.h"

namespace strata {

inline constexpr const char* kDumpIndexFile = "index.json";

struct DumpedArray {
  std::string file;     ///< within the directory
  std::string content;  ///< "tokens", "state", "attention", "signal", "cka"
  int place = -1;       ///< state or block; -1 = neither
  ArraySpec spec;
  std::vector<std::string> axes;     ///< what each axis counts: "row", "dimension" ...
  std::vector<std::string> columns;  ///< names along the last axis, where it has names
  std::string note;                  ///< unit, or why there are NaN; may be empty
  std::string sha256;                ///< of the file; empty = not written yet
};

struct DumpIndex {
  /// What every array is of: model, text, sampling, format. Arrays of different facts do not share a
  /// directory.
  std::vector<std::pair<std::string, std::string>> facts;
  int n_layers = 0, hidden = 0;
  std::vector<std::string> documents;
  std::vector<DumpedArray> arrays;
};

/// Facts and names become valid UTF-8, as they are when the index is read back.
void make_text_valid(DumpIndex& index);

[[nodiscard]] std::string dump_index_json(const DumpIndex& index);
/// Throws Error(bad_file) naming `where` for anything but an index; file names without a directory in them.
[[nodiscard]] DumpIndex parse_dump_index(const std::string& text, const std::string& where);

/// Throws Error(usage) naming the first fact that differs.
void check_same_dump(const DumpIndex& there, const DumpIndex& asked, const std::filesystem::path& directory);

/// Takes over what is whole of an earlier dump: for every array of `there` whose file still has its digest,
/// the entry of `asked` gets the digest, or is added where nobody asked for it again. Returns the names of
/// files that are listed as whole and are not.
[[nodiscard]] std::vector<std::string> keep_finished(const DumpIndex& there, DumpIndex& asked,
                                                     ArrayFormat format,
                                                     const std::filesystem::path& directory);

}  // namespace strata
