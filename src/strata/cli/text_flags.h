// The flags that name a text, the same in every command that reads one, and what is said about it.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "strata/workflow/text.h"

namespace strata {

/// -f, -c, --chunks, --limit, -r, --text-key, --text-format, --ids-dtype, --pack, --tokenizer. `begin` stands
/// before every description ("Twins: "). `text` must outlive the parsing.
void add_text_flags(CLI::App& command, TextOptions& text, const std::string& begin = "");

/// The names of those flags, for commands that take them in one of their uses only.
[[nodiscard]] std::vector<const char*> text_flag_names();

/// One line about the text, its notes and warnings, on stderr. With `quiet` the warnings alone.
void print_text_remarks(const Corpus& corpus, bool quiet);

}  // namespace strata
