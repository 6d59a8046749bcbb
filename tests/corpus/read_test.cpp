// Files, directories and JSONL to documents, and every way they can be wrong.
#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "strata/corpus/corpus.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

class Read : public testing::Test {
 protected:
  std::filesystem::path put(const char* name, std::string_view content) {
    test::write_text(dir_.path() / name, content);
    return dir_.path() / name;
  }
  test::TemporaryDirectory dir_;
};

std::vector<std::string> names(const std::vector<RawDocument>& documents) {
  std::vector<std::string> result;
  for (const auto& document : documents) result.push_back(document.name);
  return result;
}

std::vector<std::string> texts(const std::vector<RawDocument>& documents) {
  std::vector<std::string> result;
  for (const auto& document : documents) result.push_back(document.text);
  return result;
}

using Strings = std::vector<std::string>;

TEST_F(Read, OneFileIsOneDocument) {
  const auto documents = read_documents(put("a.txt", "  one\n\ntwo \u00e9\n"), "");
  EXPECT_EQ(names(documents), (Strings{"a.txt"}));
  EXPECT_EQ(texts(documents), (Strings{"  one\n\ntwo \u00e9\n"}));
}

TEST_F(Read, AByteOrderMarkIsDroppedAtTheHeadOnly) {
  EXPECT_EQ(texts(read_documents(put("a.txt", "\ufeffone\ufeff"), "")), (Strings{"one\ufeff"}));
  EXPECT_EQ(texts(read_documents(put("a.jsonl", "\ufeff{\"text\": \"x\"}\n"), "")), (Strings{"x"}));
}

TEST_F(Read, EndOfTextSplits) {
  const auto path = put("a.txt", "one<|e|>\n<|e|>two\n<|e|>");
  const auto documents = read_documents(path, "<|e|>");
  EXPECT_EQ(names(documents), (Strings{"a.txt#1", "a.txt#2"}));
  EXPECT_EQ(texts(documents), (Strings{"one", "two\n"}));
  EXPECT_EQ(texts(read_documents(path, "")), (Strings{"one<|e|>\n<|e|>two\n<|e|>"}));
  EXPECT_EQ(names(read_documents(path, "absent")), (Strings{"a.txt"}));
  EXPECT_STRATA_ERROR(read_documents(put("b.txt", "<|e|> <|e|>\n"), "<|e|>"), ErrorKind::bad_file,
                      "empty text");
}

TEST_F(Read, DirectoryInNameOrderWithoutHiddenOrNested) {
  put("b.txt", "b");
  put("B.txt", "B");
  put("a.jsonl", "{\"text\": \"a1\"}\n{\"text\": \"a2\"}");
  put(".hidden", "\xff");
  put("sub/c.txt", "c");
  put("empty.txt", "");
  const auto documents = read_documents(dir_.path(), "");
  EXPECT_EQ(names(documents), (Strings{"B.txt", "a.jsonl:1", "a.jsonl:2", "b.txt"}));
  EXPECT_EQ(texts(documents), (Strings{"B", "a1", "a2", "b"}));
}

TEST_F(Read, JsonlLines) {
  const auto path = put("a.jsonl", "{\"text\": \"x\\n\\u00e9\", \"id\": 1}\r\n\n  \n{\"text\": \"y<e>z\"}");
  const auto documents = read_documents(path, "<e>");
  EXPECT_EQ(names(documents), (Strings{"a.jsonl:1", "a.jsonl:4#1", "a.jsonl:4#2"}));
  EXPECT_EQ(texts(documents), (Strings{"x\n\u00e9", "y", "z"}));
}

TEST_F(Read, JsonlErrorsNameTheLine) {
  const auto bad = [&](const std::string& line, const char* message) {
    SCOPED_TRACE(line.substr(0, 40));
    const auto path = put("a.jsonl", "{\"text\": \"x\"}\n\n" + line + "\n");
    EXPECT_STRATA_ERROR(read_documents(path, ""), ErrorKind::bad_file, message);
    EXPECT_STRATA_ERROR(read_documents(path, ""), ErrorKind::bad_file, "a.jsonl: line 3");
  };
  bad("{\"text\": \"x\"", "not JSON");
  bad("hello", "not JSON");
  bad("{\"text\": \"\\ud800\"}", "not JSON");
  bad("{\"text\": 1e999}", "not JSON");
  bad("{\"body\": \"x\"}", "no key \"text\"");
  bad("{\"text\": 3}", "\"text\" is a number, not a string");
  bad("{\"text\": null}", "\"text\" is null, not a string");
  bad("{\"text\": NaN}", "\"text\" is null, not a string");
  bad("[[\"text\"]]", "is a list, not a string");
  bad(std::string(100'000, '['), "nested deeper");
  EXPECT_STRATA_ERROR(read_documents(put("b.jsonl", "\n \n"), ""), ErrorKind::bad_file, "empty text");
  EXPECT_STRATA_ERROR(read_documents(put("c.jsonl", "{\"text\": \"\"}"), ""), ErrorKind::bad_file,
                      "empty text");
}

TEST_F(Read, InvalidUtf8NamesFileAndByte) {
  EXPECT_STRATA_ERROR(read_documents(put("a.txt", "\ufeff\u00e9\xff"), ""), ErrorKind::bad_file,
                      "a.txt: invalid UTF-8 at byte 5");
  EXPECT_STRATA_ERROR(read_documents(put("latin1.txt", "caf\xe9 au lait"), ""), ErrorKind::bad_file,
                      "at byte 3");
  EXPECT_STRATA_ERROR(read_documents(put("a.jsonl", "{\"text\": \"\x80\"}"), ""), ErrorKind::bad_file,
                      "a.jsonl: invalid UTF-8 at byte 10");
}

TEST_F(Read, NothingToRead) {
  EXPECT_STRATA_ERROR(read_documents(dir_.path(), ""), ErrorKind::bad_file, "no file in this directory");
  EXPECT_STRATA_ERROR(read_documents(dir_.path() / "none.txt", ""), ErrorKind::usage, "none.txt");
  EXPECT_STRATA_ERROR(read_documents(put("a.txt", ""), ""), ErrorKind::bad_file, "a.txt: empty text");
  EXPECT_STRATA_ERROR(read_documents(put("a.txt", "\ufeff"), ""), ErrorKind::bad_file, "empty text");
  EXPECT_STRATA_ERROR(read_documents(dir_.path(), ""), ErrorKind::bad_file, "empty text");
}

TEST(ReadTales, TheDefaultTextIsSixteenDocuments) {
  const auto documents = read_documents(test::repo_path("texts/tales"), "");
  ASSERT_EQ(documents.size(), 16u);
  EXPECT_EQ(documents.front().name, "01.txt");
  EXPECT_EQ(documents.back().name, "16.txt");
}

}  // namespace
}  // namespace strata
