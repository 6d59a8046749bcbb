// Text of files on its way into records, to a terminal, and into CSV.
#include "strata/base/text.h"

#include <gtest/gtest.h>

#include <string>

namespace strata {
namespace {

const std::string kReplacement = "\xEF\xBF\xBD";

TEST(Text, InvalidUtf8BecomesReplacementCharacters) {
  for (const std::string valid : {"", "plain", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                  "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\x1b\n"})
    EXPECT_EQ(valid_utf8(valid), valid);
  struct Case {
    std::string text, expected;
  };
  for (const Case& c : {Case{"caf\xe9", "caf" + kReplacement},          // Latin-1
                        Case{"\x80", kReplacement},                     // a continuation alone
                        Case{"\xe2\x82", kReplacement + kReplacement},  // cut short
                        Case{"\xc0\xaf", kReplacement + kReplacement},  // overlong
                        Case{"\xe0\x80\x80", kReplacement + kReplacement + kReplacement},
                        Case{"\xed\xa0\x80", kReplacement + kReplacement + kReplacement},  // a surrogate
                        Case{"\xf4\x90\x80\x80", kReplacement + kReplacement + kReplacement + kReplacement},
                        Case{"a\xff"
                             "b",
                             "a" + kReplacement + "b"}})
    EXPECT_EQ(valid_utf8(c.text), c.expected);
}

TEST(Text, WhatATerminalObeysIsReplaced) {
  EXPECT_EQ(for_terminal("tale \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
            "tale \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(for_terminal("\x1b[2J"), "?[2J");
  EXPECT_EQ(for_terminal("a\r\nb\tc\x7f"), "a??b?c?");
  EXPECT_EQ(for_terminal(std::string("a\0b", 3)), "a?b");
  EXPECT_EQ(for_terminal("\xc2\x9b"
                         "31m"),
            "?31m");  // C1: the one-character CSI
  for (const char* mark :
       {"\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9",
        "\xd8\x9c", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xf3\xa0\x80\xa1"})
    EXPECT_EQ(for_terminal(mark), "?");
  EXPECT_EQ(for_terminal("\x9b"
                         "31m"),
            kReplacement + "31m");  // the same as a raw byte
  EXPECT_EQ(for_terminal("two\nlines\x1b", true), "two\nlines?");
}

TEST(Text, CsvFieldsAreQuotedAndNoFormula) {
  struct Case {
    std::string text, field;
  };
  for (const Case& c :
       {Case{"", ""}, Case{"plain", "plain"}, Case{"a,b", "\"a,b\""}, Case{"a\"b", "\"a\"\"b\""},
        Case{"a\nb", "\"a\nb\""}, Case{"=1+1", "'=1+1"}, Case{"+x", "'+x"}, Case{"-x", "'-x"},
        Case{"@SUM(A1)", "'@SUM(A1)"}, Case{"=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""},
        Case{"\tx", "'\tx"}, Case{"\rx", "\"'\rx\""}, Case{"a=b", "a=b"}})
    EXPECT_EQ(csv_text(c.text), c.field);
}

}  // namespace
}  // namespace strata
