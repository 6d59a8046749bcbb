// Canonical composition (Unicode, annex 15) as Hugging Face's tokenizers do it.
#pragma once

#include <string>
#include <string_view>

namespace strata {

/// False only where to_nfc() is certain to change nothing.
[[nodiscard]] bool may_need_nfc(std::string_view text);

/// `text` (valid UTF-8) composed. Characters newer than Unicode 9 stay where they are, and nothing is ordered
/// or composed across them, because the normalizer of tokenizers does not know them.
[[nodiscard]] std::string to_nfc(std::string_view text);

}  // namespace strata
