// Sentences of the pages that a user reads first have at most 40 words. Tables and code are left out.
#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/paths.h"

namespace strata {
namespace {

constexpr std::size_t kMostWords = 40;
constexpr const char* kPages[] = {"README.md",           "CHANGELOG.md",    "ARCHITECTURE.md",
                                  "CONTRIBUTING.md",     "docs/cli.md",     "docs/brittleness.md",
                                  "docs/calibration.md", "docs/compare.md", "docs/dependencies.md",
                                  "docs/real_model.md"};

// Whether a list item begins here: "- ", "* " or "1. ".
bool begins_item(std::string_view line) {
  const std::size_t at = line.find_first_not_of(' ');
  if (at == std::string_view::npos) return false;
  line.remove_prefix(at);
  if (line.starts_with("- ") || line.starts_with("* ")) return true;
  const std::size_t digits = line.find_first_not_of("0123456789");
  return digits != std::string_view::npos && digits > 0 && line.substr(digits).starts_with(". ");
}

// Paragraphs of running text, each on one line.
std::vector<std::string> paragraphs_of(std::istream& page) {
  std::vector<std::string> paragraphs;
  std::string text;
  const auto end = [&] {
    if (!text.empty()) paragraphs.push_back(std::move(text));
    text.clear();
  };
  bool code = false;
  for (std::string line; std::getline(page, line);) {
    const bool fence = line.find("```") != std::string::npos;
    if (fence) code = !code;
    const bool indented = line.starts_with("    ") && text.empty();
    if (fence || code || indented || line.empty() || line[0] == '#' || line[0] == '|') {
      end();
      continue;
    }
    if (begins_item(line)) end();
    const std::size_t first = line.find_first_not_of(' ');
    if (first != std::string::npos) text += (text.empty() ? "" : " ") + line.substr(first);
  }
  end();
  return paragraphs;
}

// `code` becomes one word, and [text](target) its text.
std::string without_markup(std::string_view paragraph) {
  std::string text;
  for (std::size_t at = 0; at < paragraph.size(); ++at) {
    if (paragraph[at] == '`') {
      const std::size_t end = paragraph.find('`', at + 1);
      if (end == std::string_view::npos) break;
      text += 'X';
      at = end;
    } else if (paragraph.substr(at).starts_with("](")) {
      const std::size_t end = paragraph.find(')', at);
      if (end == std::string_view::npos) break;
      at = end;
    } else if (paragraph[at] != '[') {
      text += paragraph[at];
    }
  }
  return text;
}

// Whether a sentence ends before the space at `at`.
bool ends_at(std::string_view text, std::size_t at) {
  std::size_t last = at;
  while (last > 0 && std::string_view(")\"*").find(text[last - 1]) != std::string_view::npos) --last;
  if (last == 0 || std::string_view(".!?").find(text[last - 1]) == std::string_view::npos) return false;
  const auto next = static_cast<unsigned char>(at + 1 < text.size() ? text[at + 1] : 'A');
  return std::isupper(next) != 0 || std::isdigit(next) != 0 || next == '(' || next == '*' || next == '"';
}

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> sentences;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != ' ' || !ends_at(text, at)) continue;
    sentences.emplace_back(text.substr(begin, at - begin));
    begin = at + 1;
  }
  sentences.emplace_back(text.substr(begin));
  return sentences;
}

std::size_t words_in(std::string_view sentence) {
  std::size_t words = 0;
  bool counted = false;
  for (const char c : sentence) {
    if (c == ' ') counted = false;
    if (counted || std::isalnum(static_cast<unsigned char>(c)) == 0) continue;
    counted = true;
    ++words;
  }
  return words;
}

TEST(Prose, SentencesAreShort) {
  for (const char* name : kPages) {
    std::ifstream page(test::repo_path(name));
    ASSERT_TRUE(page) << name;
    for (const std::string& paragraph : paragraphs_of(page)) {
      for (const std::string& sentence : sentences_of(without_markup(paragraph)))
        EXPECT_LE(words_in(sentence), kMostWords) << name << ": " << sentence;
    }
  }
}

TEST(Prose, SentencesAreTold) {
  EXPECT_EQ(sentences_of("One two. Three (four.) Five 1.5 e.g. six"),
            (std::vector<std::string>{"One two.", "Three (four.)", "Five 1.5 e.g. six"}));
  EXPECT_EQ(words_in("one, two - three's X"), 4u);
  EXPECT_EQ(without_markup("a `b c` [d e](f.md) g"), "a X d e g");
}

}  // namespace
}  // namespace strata
