// Sizes and lists of layers, as typed.
#include "strata/cli/numbers.h"

#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "strata/base/resources.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

TEST(ParseSize, ReadsUnitsOf1024) {
  EXPECT_EQ(parse_size("1", "f"), 1u);
  EXPECT_EQ(parse_size("1073741824", "f"), 1ull << 30);
  EXPECT_EQ(parse_size("8G", "f"), 8ull << 30);
  EXPECT_EQ(parse_size("8GB", "f"), 8ull << 30);
  EXPECT_EQ(parse_size("1.5GiB", "f"), 3ull << 29);
  EXPECT_EQ(parse_size("512M", "f"), 512ull << 20);
  EXPECT_EQ(parse_size("3K", "f"), 3072u);
  EXPECT_EQ(parse_size("2T", "f"), 2ull << 40);
  EXPECT_EQ(parse_size("100B", "f"), 100u);
}

TEST(ParseSize, RefusesTheRest) {
  for (const char* text :
       {"", "G", "8X", "8GG", "-1", "0", "0G", "nan", "inf", "1e30", "8 G", "8G ", "0x10", "8iB", "8g!"}) {
    SCOPED_TRACE(text);
    EXPECT_STRATA_ERROR(parse_size(text, "--mem-limit"), ErrorKind::usage, "--mem-limit");
  }
}

TEST(ParseLayers, ReadsNumbersAndInclusiveRanges) {
  using List = std::vector<int>;
  EXPECT_EQ(parse_layers("3", 12, "f"), (List{3}));
  EXPECT_EQ(parse_layers("0-2", 12, "f"), (List{0, 1, 2}));
  EXPECT_EQ(parse_layers("12", 12, "f"), (List{12}));
  EXPECT_EQ(parse_layers("7,3,10-12,11,3", 12, "f"), (List{3, 7, 10, 11, 12}));
}

TEST(ParseLayers, RefusesTheRest) {
  for (const char* text : {"", ",", "3,", ",3", "3,,4", "13", "-1", "3-", "5-3", "1-2-3", "a", "3a", "3 ",
                           "1.5", "99999999999"}) {
    SCOPED_TRACE(text);
    EXPECT_STRATA_ERROR(parse_layers(text, 12, "--layers"), ErrorKind::usage, "--layers");
  }
}

TEST(AvailableMemory, IsSomethingAMachineCouldHave) {
  EXPECT_GT(available_memory_bytes(), 16ull << 20);
  EXPECT_LT(available_memory_bytes(), 1ull << 46);
}

}  // namespace
}  // namespace strata
