// One spelling of a number, and nothing that some reader takes for another.
#include "strata/base/numbers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace strata {
namespace {

TEST(ParseWhole, ReadsDecimalDigits) {
  EXPECT_EQ(parse_whole("0"), 0u);
  EXPECT_EQ(parse_whole("42"), 42u);
  EXPECT_EQ(parse_whole("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
}

TEST(ParseWhole, RefusesEveryOtherSpelling) {
  for (const char* text : {"",
                           " ",
                           "-1",
                           "-0",
                           "+5",
                           " 5",
                           "5 ",
                           "5\n",
                           "\t5",
                           "010",
                           "00",
                           "0x10",
                           "0b1",
                           "1e3",
                           "1.0",
                           "1.",
                           "1_000",
                           "1,000",
                           "1'000",
                           "5k",
                           "nan",
                           "inf",
                           "18446744073709551616",
                           "99999999999999999999999999",
                           "\xd9\xa3",
                           "\xef\xbc\x95"}) {
    EXPECT_FALSE(parse_whole(text).has_value()) << "'" << text << "'";
  }
}

TEST(ParseDecimal, ReadsNumbers) {
  EXPECT_EQ(parse_decimal("0"), 0.0);
  EXPECT_EQ(parse_decimal("0.01"), 0.01);
  EXPECT_EQ(parse_decimal("-3.5"), -3.5);
  EXPECT_EQ(parse_decimal("1e-4"), 1e-4);
  EXPECT_EQ(parse_decimal("2.5E+10"), 2.5e10);
}

TEST(ParseDecimal, RefusesEveryOtherSpelling) {
  for (const char* text : {"",    " ",    "+5",       " 5",    "5 ",     "05",    "00.5", "-01", ".5",
                           "5.",  "1e",   "1e+",      "e5",    "0x10",   "0x1p3", "1,5",  "nan", "NaN",
                           "inf", "-inf", "infinity", "1e999", "1e-999", "1.2.3", "--1",  "1-2"}) {
    EXPECT_FALSE(parse_decimal(text).has_value()) << "'" << text << "'";
  }
}

}  // namespace
}  // namespace strata
