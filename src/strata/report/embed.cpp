#include "strata/report/embed.h"

#include "strata/base/error.h"

namespace strata {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_json_for_script(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    // In JSON text a '<' can only be inside a string, where this escape means the same.
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string fill_marker(std::string_view page, std::string_view marker, std::string_view content) {
  const std::size_t at = page.find(marker);
  STRATA_CHECK(at != std::string_view::npos);
  STRATA_CHECK(page.find(marker, at + 1) == std::string_view::npos);
  std::string out(page.substr(0, at));
  out += content;
  out += page.substr(at + marker.size());
  return out;
}

}  // namespace strata
