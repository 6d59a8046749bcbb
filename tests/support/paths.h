// Where tests find their data, and a temporary directory that cleans up after itself.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace strata::test {

/// A path inside the repository.
[[nodiscard]] std::filesystem::path repo_path(std::string_view relative);

/// A path inside the data folder that stays outside the repository: $STRATA_SHARED_DATA, else
/// ../shared/data beside the project's root. Nothing when it is absent: the test then skips with a message.
[[nodiscard]] std::optional<std::filesystem::path> shared_data(std::string_view relative);

/// SmolLM2-135M-Instruct (GGUF Q4_1) where scripts/real-model has put it, or where STRATA_REAL_MODEL says
/// (then it must be there). Nothing when it is absent: the test then skips with kNoRealModel.
[[nodiscard]] std::optional<std::filesystem::path> real_model();
inline constexpr std::string_view kNoRealModel =
    "SmolLM2-135M is not here: run scripts/real-model, or set STRATA_REAL_MODEL";

/// A fresh directory, removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Writes `content` to `path`, making its directory.
void write_text(const std::filesystem::path& path, std::string_view content);

}  // namespace strata::test

/// EXPECT that `statement` throws strata::Error of this kind whose one-line message contains `text`.
#define EXPECT_STRATA_ERROR(statement, error_kind, text)                                  \
  do {                                                                                    \
    try {                                                                                 \
      (void)(statement);                                                                  \
      ADD_FAILURE() << "no error, expected: " << (text);                                  \
    } catch (const ::strata::Error& error) {                                              \
      EXPECT_EQ(error.kind(), (error_kind)) << error.what();                              \
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what(); \
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);                 \
    }                                                                                     \
  } while (false)
