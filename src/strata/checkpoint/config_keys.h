// Every key of config.json and of GGUF metadata that decides something for a model of our families, in two
// tables: computed, refused unless its value changes nothing, or without effect on the states. The tables of
// docs/formats.md are printed from these, and tests change every key.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/checkpoint/config_reader.h"
#include "strata/checkpoint/family.h"
#include "strata/gguf/gguf.h"

namespace strata {

enum class KeyUse {
  computed,  ///< read by parse_config or parse_gguf_config, by its own rule
  refused,   ///< Error(unsupported) unless its value is harmless
  unused,    ///< no effect on the states in transformers or llama.cpp, nor here
};

/// The values of a refused key that change nothing.
enum class Harmless {
  off,           ///< null, false, 0, an empty string, list or object
  not_positive,  ///< off, or a number below 0
  one,           ///< null or 1
  off_or_one,    ///< off, or 1
  on,            ///< true
  special,       ///< code decides; the rule says how
};

struct ConfigKey {
  std::string_view name;      ///< "sliding_window"; GGUF: without the architecture in front
  std::string_view families;  ///< ids with a space between; empty = all, "!" in front = all but those
  KeyUse use;
  Harmless harmless;      ///< of a refused key
  std::string_view rule;  ///< what it is used for, which values are accepted, why it has no effect
};

/// Of config.json at the top level, and of its sections rope_scaling and rope_parameters ("rope.factor").
[[nodiscard]] std::span<const ConfigKey> config_keys();
/// Of GGUF metadata, below the architecture's name.
[[nodiscard]] std::span<const ConfigKey> gguf_keys();

/// Whether the row is of that family.
[[nodiscard]] bool is_for(const ConfigKey& key, std::string_view family);

/// Refuses keys by the table. A key that no table has is refused where its name is that of a change to the
/// network (scales, experts, masks) and its value is not off; otherwise it becomes a note.
void check_config_keys(const ConfigReader& file, const Family& family, std::vector<std::string>& notes);
void check_gguf_keys(const GgufMetadata& metadata, const Family& family, std::vector<std::string>& notes);

/// Whether a key that no table has is named like a change to the network.
[[nodiscard]] bool names_a_change(std::string_view key);

/// The part of docs/formats.md that the tables are.
[[nodiscard]] std::string key_tables_markdown();

}  // namespace strata
