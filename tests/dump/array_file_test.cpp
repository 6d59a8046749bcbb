#include "strata/dump/array_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "strata/base/parallel.h"
#include "strata/base/sha256.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRows = 37, kColumns = 5;

const ArraySpec kSpec{.name = "state.3", .shape = {kRows, kColumns}, .type = ElementType::float32};

std::vector<float> values() {
  std::vector<float> v(kRows * kColumns);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i) * 0.5f - 3.0f;
  return v;
}

class ArrayFile : public testing::TestWithParam<ArrayFormat> {
 protected:
  [[nodiscard]] fs::path path(const char* name) const { return directory_.path() / name; }
  // Rows from the last to the first, in pieces of four, from several threads.
  std::string write(const fs::path& file, int threads = 3) const {
    const auto all = values();
    ArrayWriter writer(file, GetParam(), kSpec);
    parallel_for((kRows + 3) / 4, threads, [&](std::size_t i) {
      const std::size_t first = (kRows + 3) / 4 - 1 - i;
      const std::size_t rows = std::min<std::size_t>(4, kRows - 4 * first);
      writer.write(4 * first, std::span<const float>(all).subspan(4 * first * kColumns, rows * kColumns));
    });
    return writer.finish();
  }
  test::TemporaryDirectory directory_;
};

TEST_P(ArrayFile, RowsInAnyOrderGiveTheBytesOfTheWholeArray) {
  const std::string digest = write(path("a"));
  const std::string bytes = read_file(path("a"));
  EXPECT_EQ(digest, sha256_hex(bytes));
  EXPECT_EQ(bytes.size(), array_file_bytes(GetParam(), kSpec));
  EXPECT_FALSE(fs::exists(path("a.part")));
  if (GetParam() == ArrayFormat::npy) {
    EXPECT_EQ(bytes, format_npy({.shape = {kRows, kColumns}, .data = values()}));
  }
  std::vector<float> row(2 * kColumns);
  read_rows(path("a"), GetParam(), kSpec, 7, std::as_writable_bytes(std::span(row)));
  const auto all = values();
  EXPECT_TRUE(std::equal(row.begin(), row.end(), all.begin() + 7 * kColumns));
  EXPECT_STRATA_ERROR(
      read_rows(path("a"), GetParam(), kSpec, kRows - 1, std::as_writable_bytes(std::span(row))),
      ErrorKind::bad_file, "read back");
}

TEST_P(ArrayFile, HasItsNameOnlyWhenItIsWhole) {
  {
    ArrayWriter writer(path("a"), GetParam(), kSpec);
    EXPECT_TRUE(fs::exists(path("a.part")));
    EXPECT_FALSE(fs::exists(path("a")));
  }
  EXPECT_FALSE(fs::exists(path("a.part")));
  test::write_text(path("a.part"), "left by a process that was killed, longer than the array will be: " +
                                       std::string(4096, 'x'));
  EXPECT_EQ(write(path("a")), write(path("b")));
  EXPECT_STRATA_ERROR(ArrayWriter(path("no/such/a"), GetParam(), kSpec), ErrorKind::run_failed, "no/such/a");
}

TEST_P(ArrayFile, ADigestOnlyOfTheArrayAskedFor) {
  const std::string digest = write(path("a"));
  EXPECT_EQ(digest_of_array(path("a"), GetParam(), kSpec), digest);
  EXPECT_EQ(digest_of_array(path("absent"), GetParam(), kSpec), "");
  ArraySpec other = kSpec;
  other.shape = {kColumns, kRows};  // as many bytes, another shape
  EXPECT_EQ(digest_of_array(path("a"), GetParam(), other), "");
  std::string bytes = read_file(path("a"));
  test::write_text(path("short"), bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(digest_of_array(path("short"), GetParam(), kSpec), "");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  test::write_text(path("flipped"), bytes);
  EXPECT_NE(digest_of_array(path("flipped"), GetParam(), kSpec), digest);
}

INSTANTIATE_TEST_SUITE_P(Formats, ArrayFile, testing::Values(ArrayFormat::npy, ArrayFormat::safetensors),
                         [](const auto& suite) { return std::string(to_string(suite.param)); });

// The format's own description: length, JSON, values; the header padded to a multiple of 8.
TEST(Safetensors, HeaderSaysWhereTheValuesAre) {
  for (const ElementType type : {ElementType::float32, ElementType::float64, ElementType::int32}) {
    const ArraySpec spec{.name = "tokens", .shape = {3, 4}, .type = type};
    const std::string header = array_header(ArrayFormat::safetensors, spec);
    std::uint64_t length = 0;
    std::memcpy(&length, header.data(), 8);
    ASSERT_EQ(header.size(), 8 + length);
    EXPECT_EQ(length % 8, 0u);
    const auto json = nlohmann::json::parse(header.substr(8));
    EXPECT_EQ(json["tokens"]["shape"], (std::vector<int>{3, 4}));
    EXPECT_EQ(json["tokens"]["data_offsets"][1], 12 * size_bytes(type));
    EXPECT_EQ(json["tokens"]["dtype"], type == ElementType::float32   ? "F32"
                                       : type == ElementType::float64 ? "F64"
                                                                      : "I32");
  }
}

TEST(ArraySizes, OverflowIsAnErrorNotAWrap) {
  const ArraySpec spec{.name = "huge", .shape = {std::size_t{1} << 40, std::size_t{1} << 40}};
  EXPECT_STRATA_ERROR((void)array_file_bytes(ArrayFormat::npy, spec), ErrorKind::usage, "huge");
}

}  // namespace
}  // namespace strata
