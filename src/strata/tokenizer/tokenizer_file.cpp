#include "strata/tokenizer/tokenizer_file.h"

#include "strata/tokenizer/tokenizer_file_parts.h"

namespace strata {

TokenizerFile parse_tokenizer_file(std::string_view json, const std::string& where) {
  const nlohmann::json parsed = parse_json_object(json, where);
  const JsonView root(parsed, where + ": ");
  TokenizerFile file;
  read_vocabulary(root, file);
  read_pipeline(root, file);
  return file;
}

}  // namespace strata
