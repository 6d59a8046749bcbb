#include "strata/base/words.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

TEST(Words, Counted) {
  EXPECT_EQ(counted(0, "document"), "0 documents");
  EXPECT_EQ(counted(1, "document"), "1 document");
  EXPECT_EQ(counted(2, "document"), "2 documents");
  EXPECT_EQ(counted(1, "pass", "passes"), "1 pass");
  EXPECT_EQ(counted(3, "pass", "passes"), "3 passes");
}

TEST(Words, NearestWord) {
  const std::vector<std::string> words{"analyze", "compare", "dump", "inspect", "report"};
  EXPECT_EQ(nearest_word("analyse", words), "analyze");
  EXPECT_EQ(nearest_word("anlayze", words), "analyze");  // swapped
  EXPECT_EQ(nearest_word("COMPARE", words), "compare");
  EXPECT_EQ(nearest_word("reprot", words), "report");
  EXPECT_EQ(nearest_word("frobnicate", words), "");
  EXPECT_EQ(nearest_word("", words), "");
  EXPECT_EQ(nearest_word("cat", {"bat", "hat"}), "");            // two are as near
  EXPECT_EQ(nearest_word("cat", {"bat", "hat", "cat"}), "cat");  // a nearer one decides
  EXPECT_EQ(nearest_word(std::string(1000, 'a'), words), "");
  EXPECT_EQ(did_you_mean("dmup", words), "did you mean dump?");
  EXPECT_EQ(did_you_mean("zzz", words), "");
}

}  // namespace
}  // namespace strata
