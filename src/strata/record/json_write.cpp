// Run -> results.json.
#include "strata/record/json_writer.h"

namespace strata::record_json {
namespace {

bool is_flat(const Json& array) {
  for (const Json& element : array) {
    if (element.is_structured()) return false;
  }
  return true;
}

void append_scalar(const Json& value, std::string& out) {
  if (value.is_number_float()) {
    std::string text = shortest(value.get<double>());
    // Keeps the sign of -0 and the type for readers that tell 1 from 1.0.
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    out += text;
    return;
  }
  // File names need not be UTF-8; a replacement character is better than no record.
  out += value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// One line per key, and one per row of numbers: readable, and a diff shows what moved.
void append(const Json& value, std::size_t depth, std::string& out) {
  if (!value.is_structured()) {
    append_scalar(value, out);
    return;
  }
  const bool on_one_line = value.empty() || (value.is_array() && is_flat(value));
  const std::string separator = on_one_line ? ", " : ",\n" + std::string(depth + 1, ' ');
  out += value.is_array() ? '[' : '{';
  if (!on_one_line) out += separator.substr(1);
  bool first = true;
  for (const auto& item : value.items()) {
    if (!first) out += separator;
    first = false;
    if (value.is_object())
      out += Json(item.key()).dump(-1, ' ', false, Json::error_handler_t::replace) + ": ";
    append(item.value(), depth + 1, out);
  }
  if (!on_one_line) out += '\n' + std::string(depth, ' ');
  out += value.is_array() ? ']' : '}';
}

}  // namespace

Json to_json(const Matrix& matrix) {
  Json rows = Json::array();
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    Json row = Json::array();
    for (const double value : matrix.row(r)) row.push_back(to_json(value));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string write_text(const Json& document) {
  std::string out;
  append(document, 0, out);
  return out + '\n';
}

std::string write_json(const Run& run) {
  Json document = Json::object();
  document["schema_version"] = kSchemaVersion;
  document.update(to_json(run));
  return write_text(document);
}

}  // namespace strata::record_json
