#include "strata/tokenizer/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "strata/base/error.h"
#include "strata/tokenizer/stand_ins.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

void append_composed(std::string_view text, std::string& out) {
  if (text.empty()) return;
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
      &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  STRATA_CHECK(size >= 0);
  out.append(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size));
}

}  // namespace

// Code points below U+0300 are composed already.
bool may_need_nfc(std::string_view text) {
  const auto needs_work = [](char c) { return static_cast<unsigned char>(c) >= 0xcc; };
  return std::any_of(text.begin(), text.end(), needs_work);
}

std::string to_nfc(std::string_view text) {
  std::string out;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    if (!composes_since_unicode_9(next_code_point(text, at))) continue;
    append_composed(text.substr(begin, here - begin), out);
    out += text.substr(here, at - here);
    begin = at;
  }
  append_composed(text.substr(begin), out);
  return out;
}

}  // namespace strata
