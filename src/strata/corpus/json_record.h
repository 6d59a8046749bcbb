// A record of a data set, as JSON, to documents: a string, a conversation, or token ids.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// What a record held at its key.
struct RecordContent {
  std::string text;
  std::vector<std::int64_t> ids;
  bool is_ids = false, is_chat = false;
  std::size_t left_out_parts = 0;  ///< of a conversation: pictures, tool calls
};

/// Reads one value of a JSON file. `key`: where the text is, like "text" or "meta.body" (a list on the way
/// has a document in each element); empty: "text", else "messages" or "conversations", else "input_ids". A
/// record that is a string, a list of ids or a list of turns is its own content. NaN and Infinity, which
/// Python writes, are read as null. Throws Error(bad_file) that names `where`, the keys there are, and what
/// to do.
void read_record(std::string_view json, const std::string& key, const std::string& where,
                 const std::function<void(RecordContent&&)>& document);

/// Whether a record is an object that has nothing at `key` (as in read_record); false where it is no JSON.
[[nodiscard]] bool lacks_text(std::string_view json, const std::string& key);

}  // namespace strata
