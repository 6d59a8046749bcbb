// Small words for messages: counts with their noun, and what a misspelt name may have meant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

/// "1 document", "3 documents"; `plural` where it is not the noun with an s.
[[nodiscard]] std::string counted(std::uint64_t n, std::string_view noun, std::string_view plural = {});

/// The candidate that differs from `word` by the fewest letters put in, left out, changed or swapped, if that
/// is at most a third of the word and no other is as near; else empty. Case does not count.
[[nodiscard]] std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

/// "did you mean X?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// "a", "a and b", "a, b and c".
[[nodiscard]] std::string enumerated(const std::vector<std::string>& parts);

/// Puts `text` behind `note`, after "; " where the note has words already.
void add_note(std::string& note, std::string_view text);

}  // namespace strata
