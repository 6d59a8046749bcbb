#include "strata/tokenizer/utf8.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

TEST(Utf8, EveryScalarValueRoundTripsAndIsValid) {
  std::string all;
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    std::string one;
    append_utf8(one, c);
    std::size_t at = 0;
    ASSERT_EQ(next_code_point(one, at), c);
    ASSERT_EQ(at, one.size());
    all += one;
  }
  EXPECT_EQ(invalid_utf8_offset(all), std::nullopt);
}

// The ill-formed sequences of Unicode table 3-7, each at a known offset.
TEST(Utf8, InvalidSequencesNameTheirOffset) {
  for (const char* bad : {"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xe2\x82",
                          "\xe2\x82(", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98",
                          "\xf0\x9f(\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff"}) {
    EXPECT_EQ(invalid_utf8_offset(std::string("h\u00e9") + bad), 3u) << in_quotes(bad);
    EXPECT_EQ(invalid_utf8_offset(std::string(bad) + "x"), 0u);
  }
  EXPECT_EQ(invalid_utf8_offset(std::string_view("a\0b", 3)), std::nullopt);
}

TEST(Utf8, ByteLevelAlphabetIsABijectionAndGpt2s) {
  EXPECT_EQ(byte_level_character('A'), U'A');
  EXPECT_EQ(byte_level_character(' '), U'\u0120');
  EXPECT_EQ(byte_level_character('\n'), U'\u010a');
  EXPECT_EQ(byte_level_character(0), U'\u0100');
  EXPECT_EQ(byte_level_character(0x7f), U'\u0121');
  EXPECT_EQ(byte_level_character(0xa0), U'\u0142');
  EXPECT_EQ(byte_level_character(0xad), U'\u0143');
  EXPECT_EQ(byte_level_character(0xff), U'\u00ff');
  for (int b = 0; b < 256; ++b) {
    std::string token;
    append_utf8(token, byte_level_character(static_cast<unsigned char>(b)));
    EXPECT_EQ(byte_level_bytes(token), std::string(1, static_cast<char>(b)));
  }
  EXPECT_EQ(byte_level_bytes(" "), std::nullopt);
  EXPECT_EQ(byte_level_bytes("\u2581the"), std::nullopt);
}

TEST(Utf8, QuotesAreOneSafeLine) {
  EXPECT_EQ(in_quotes("a\n\"\\"), "\"a\\x0a\\\"\\\\\"");
  const std::string longer = in_quotes(std::string(79, 'x') + "\u00e9\u00e9");
  EXPECT_EQ(longer, "\"" + std::string(79, 'x') + "...\"");
}

}  // namespace
}  // namespace strata
