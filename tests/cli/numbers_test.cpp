// Numbers, sizes and lists of layers, as typed: each flag of each command takes one spelling.
#include "strata/cli/numbers.h"

#include <gtest/gtest.h>

#include <sstream>

#include "strata/base/error.h"
#include "strata/base/resources.h"
#include "tests/cli/program.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

TEST(ParseSize, ReadsUnitsOf1024) {
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
  for (const char* text : {"",
                           "G",
                           "8X",
                           "8GG",
                           "-1",
                           "0",
                           "0G",
                           "nan",
                           "inf",
                           "1e30",
                           "8 G",
                           "8G ",
                           "0x10",
                           "8iB",
                           "8g!",
                           "8g",
                           "010G",
                           "010",
                           "1e3G",
                           "1e9",
                           "+8G",
                           " 8G",
                           "1.5B",
                           "1.2.3G",
                           ".5G",
                           "5.G",
                           "8BB",
                           "99999999T",
                           "-8G",
                           "2000000000000000000",
                           "18446744073709551616",
                           "nanG",
                           "infG",
                           "0x10G"}) {
    SCOPED_TRACE(text);
    EXPECT_STRATA_ERROR(parse_size(text, "--mem-limit"), ErrorKind::usage, "--mem-limit");
  }
}

// "8" was eight bytes, and every run was refused for want of memory.
TEST(ParseSize, ASmallNumberWithoutAUnitIsAskedFor) {
  for (const char* text : {"1", "8", "512", "1048575"}) {
    SCOPED_TRACE(text);
    EXPECT_STRATA_ERROR(parse_size(text, "--mem-limit"), ErrorKind::usage, std::string(text) + "G is");
  }
  EXPECT_EQ(parse_size("1048576", "f"), 1u << 20);
  EXPECT_EQ(parse_size("8B", "f"), 8u);
}

TEST(ParseCount, StaysWithinItsRange) {
  EXPECT_EQ(parse_count("1", 1, 9, "--n"), 1u);
  EXPECT_EQ(parse_count("9", 1, 9, "--n"), 9u);
  for (const char* text : {"0", "10", "-1", "01", "1e0", ""})
    EXPECT_STRATA_ERROR(parse_count(text, 1, 9, "--n"), ErrorKind::usage, "--n: '");
}

TEST(ParseCounts, NoNumberBetweenTwoCommasIsEmpty) {
  EXPECT_EQ(parse_counts("12,28", 1, 99, "--n"), (std::vector<std::uint64_t>{12, 28}));
  EXPECT_EQ(parse_counts("7", 1, 99, "--n"), (std::vector<std::uint64_t>{7}));
  for (const char* text : {"", ",", "12,", ",12", "12,,28", "12, 28", "12,028", "12,100"})
    EXPECT_STRATA_ERROR((void)parse_counts(text, 1, 99, "--n"), ErrorKind::usage, "--n: '");
}

TEST(ParseReal, StaysWithinItsRange) {
  EXPECT_EQ(parse_real("0", 0.0, 1.0, "--x"), 0.0);
  EXPECT_EQ(parse_real("1e-3", 0.0, 1.0, "--x"), 1e-3);
  for (const char* text : {"-0.1", "1.1", "nan", "inf", "", "0x1", "+0.5", ".5"})
    EXPECT_STRATA_ERROR(parse_real(text, 0.0, 1.0, "--x"), ErrorKind::usage, "--x: '");
}

TEST(ParseLayers, ReadsNumbersAndInclusiveRanges) {
  using List = std::vector<int>;
  EXPECT_EQ(parse_layers("3", 12, "f"), (List{3}));
  EXPECT_EQ(parse_layers("0-2", 12, "f"), (List{0, 1, 2}));
  EXPECT_EQ(parse_layers("12", 12, "f"), (List{12}));
  EXPECT_EQ(parse_layers("7,3,10-12,11,3", 12, "f"), (List{3, 7, 10, 11, 12}));
}

TEST(ParseLayers, RefusesTheRest) {
  for (const char* text :
       {"",   ",",  "3,",  ",3",          "3,,4", "13", "-1", "3-",  "5-3", "1-2-3", "a",
        "3a", "3 ", "1.5", "99999999999", "010",  "+3", " 3", "0x3", "1e0", "03-04", "3--4"}) {
    SCOPED_TRACE(text);
    EXPECT_STRATA_ERROR(parse_layers(text, 12, "--layers"), ErrorKind::usage, "--layers");
  }
}

struct NumberFlag {
  std::string command, name;
  bool whole = true, list = false;
};

// Every flag that its command's help says takes a number.
std::vector<NumberFlag> number_flags() {
  std::vector<NumberFlag> flags;
  for (const char* command :
       {"analyze", "calibrate", "compare", "dump", "inspect", "report", "synth", "verify"}) {
    std::stringstream help(test::strata({command, "--help"}).out);
    for (std::string line; std::getline(help, line);) {
      const std::size_t at = line.find("--");
      if (!line.starts_with("  -") || at == std::string::npos) continue;
      const std::string name = line.substr(at, line.find_first_of(" ,", at) - at);
      const std::string rest = line.substr(at + name.size());
      // CLI11's own readers of numbers must not be used: they say INT, UINT or FLOAT alone.
      const bool whole = rest.starts_with(" INT in ["), real = rest.starts_with(" NUMBER in [");
      EXPECT_FALSE(rest.starts_with(" UINT") || rest.starts_with(" FLOAT") ||
                   (rest.starts_with(" INT") && !whole))
          << command << ": " << line;
      if (whole || real) flags.push_back({command, name, whole, rest.find("] ...") != std::string::npos});
    }
  }
  return flags;
}

// Of the kinds of C12: a sign, octal, hexadecimal, an exponent, spaces, no number, more than there is.
TEST(NumberFlags, EveryOneOfEveryCommandIsReadStrictly) {
  const std::vector<NumberFlag> flags = number_flags();
  EXPECT_GE(flags.size(), 40u);
  for (const NumberFlag& flag : flags) {
    std::vector<std::string> bad = {"-1",   "+5",  " 5",  "5 ", "010",
                                    "0x10", "nan", "inf", "",   "99999999999999999999999"};
    if (flag.whole) bad.insert(bad.end(), {"1e3", "5.0", "18446744073709551616"});
    if (flag.list) bad.insert(bad.end(), {"12,-1", "12,010", "12,,16"});
    for (const std::string& text : bad) {
      // With "=", an empty value is a value.
      const test::Result result = test::strata({flag.command, flag.name, text});
      SCOPED_TRACE(flag.command + " " + flag.name + " '" + text + "': " + result.err);
      EXPECT_EQ(result.code, 2);
      EXPECT_EQ(result.out, "");
      EXPECT_EQ(test::count_lines(result.err), 1u);
      EXPECT_NE(result.err.find(flag.name), std::string::npos);
    }
  }
}

TEST(NumberFlags, WhatIsANumberIsRead) {
  const std::string model = test::repo_path("models/llama-nano").string();
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--seed", "18446744073709551615"},
                                             {"-t", "1", "-b", "1", "--chunks", "2"},
                                             {"--mem-limit", "1G", "--surrogates=19"},
                                             {"--null-models", "0", "--shuffled-text", "2"}}) {
    std::vector<std::string> arguments = {"analyze", model, "--dry-run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const test::Result result = test::strata(arguments);
    EXPECT_EQ(result.code, 0) << more[0] << ": " << result.err;
  }
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--mem-limit", "8"},
                                             {"--null-models", "01"},
                                             {"--null-models", "+1"},
                                             {"--shuffled-text", "010"},
                                             {"--shuffled-text", "-1"},
                                             {"--layers", "01"},
                                             {"--layers", "0x1"}}) {
    std::vector<std::string> arguments = {"analyze", model, "--dry-run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const test::Result result = test::strata(arguments);
    EXPECT_EQ(result.code, 2) << more[0] << ": " << result.err;
    EXPECT_NE(result.err.find(more[0]), std::string::npos) << result.err;
  }
}

TEST(AvailableMemory, IsSomethingAMachineCouldHave) {
  EXPECT_GT(available_memory_bytes(), 16ull << 20);
  EXPECT_LT(available_memory_bytes(), 1ull << 46);
}

}  // namespace
}  // namespace strata
