#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <fstream>

#include "strata/base/checked.h"
#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/json_depth.h"
#include "strata/base/npy.h"
#include "strata/base/parallel.h"
#include "strata/base/philox.h"
#include "strata/base/sha256.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

TEST(Error, OneLineWithEveryPart) {
  const Error error(ErrorKind::bad_file,
                    {.where = "a.bin", .found = "3 bytes", .expected = "8", .hint = "download it again"});
  EXPECT_STREQ(error.what(), "a.bin: 3 bytes; expected 8; download it again");
  EXPECT_EQ(exit_code(error.kind()), 3);
}

TEST(Error, NoFileBreaksTheLineOrMakesItEndless) {
  const Error error(ErrorKind::bad_file,
                    {.where = "a\nb", .found = "\x1b[2J\x7f" + std::string(1 << 20, 'x')});
  const std::string line = error.what();
  EXPECT_TRUE(line.starts_with("a?b: ?[2J?xxx"));
  EXPECT_TRUE(line.ends_with("xxx..."));
  EXPECT_LT(line.size(), 5000u);
}

TEST(Checked, OverflowIsNothing) {
  EXPECT_EQ(checked_mul(1ull << 32, 1ull << 31), 1ull << 63);
  EXPECT_FALSE(checked_mul(1ull << 32, 1ull << 32));
  EXPECT_EQ(checked_add(~0ull - 1, 1), ~0ull);
  EXPECT_FALSE(checked_add(~0ull, 1));
}

// Known answers of Random123 1.14 (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, NormalMoments) {
  Philox rng({.seed = 7, .stream = Stream::test});
  const int n = 200000;
  double sum = 0, square = 0, fourth = 0;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    sum += x;
    square += x * x;
    fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / n, 0.0, 5 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1.0, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourth / n, 3.0, 5 * std::sqrt(96.0 / n));
}

TEST(Philox, StreamsDiffer) {
  const StreamKey key{.seed = 1, .stream = Stream::noise, .a = 2, .b = 3, .c = 4, .d = 5};
  const auto first = [](StreamKey k) { return Philox(k).next_u64(); };
  EXPECT_EQ(first(key), first(key));
  for (int field = 0; field < 6; ++field) {
    StreamKey other = key;
    if (field == 0) other.seed++;
    if (field == 1) other.stream = Stream::bootstrap;
    if (field == 2) other.a++;
    if (field == 3) other.b++;
    if (field == 4) other.c++;
    if (field == 5) other.d++;
    EXPECT_NE(first(key), first(other)) << field;
  }
}

TEST(Sha256, KnownAnswer) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(ParallelFor, EveryIndexOnceAndFirstExceptionReturns) {
  std::vector<int> hits(1000);
  parallel_for(hits.size(), 4, [&](std::size_t i) { ++hits[i]; });
  EXPECT_EQ(hits, std::vector<int>(1000, 1));
  EXPECT_THROW(parallel_for(10, 3,
                            [](std::size_t i) {
                              if (i == 5) throw std::runtime_error("five");
                            }),
               std::runtime_error);
}

TEST(JsonDepth, CountsBracketsOutsideStrings) {
  EXPECT_FALSE(json_deeper_than(R"({"a[[[[{\\\"[[": [1, {"b": "]"}]})", 3));
  EXPECT_EQ(json_deeper_than(R"({"a": [1, {"b": []}]})", 3), 16u);
  EXPECT_EQ(json_deeper_than("[][][[]]", 1), 5u);
  EXPECT_FALSE(json_deeper_than("", 0));
  EXPECT_EQ(json_deeper_than(std::string(1 << 20, '['), 64), 64u);
}

TEST(File, AtomicWriteReplacesAndKeepsTheOldOnFailure) {
  const test::TemporaryDirectory dir;
  const auto path = dir.path() / "a.json";
  write_file_atomic(path, "old");
  write_file_atomic(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  EXPECT_STRATA_ERROR(write_file_atomic(dir.path() / "no/such/a.json", "x"), ErrorKind::run_failed,
                      "cannot create");
}

// Opening one for reading would wait for a writer that never comes.
TEST(File, ANamedPipeIsRefusedAtOnce) {
  const test::TemporaryDirectory dir;
  const auto path = dir.path() / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_STRATA_ERROR(MappedFile(path), ErrorKind::bad_file, "not a regular file");
  EXPECT_STRATA_ERROR(read_file(path), ErrorKind::bad_file, "not a regular file");
}

TEST(File, AFileOfNoBytes) {
  const test::TemporaryDirectory dir;
  test::write_text(dir.path() / "empty", "");
  EXPECT_TRUE(MappedFile(dir.path() / "empty").bytes().empty());
  EXPECT_EQ(read_file(dir.path() / "empty"), "");
}

TEST(File, MissingFileIsUsage) {
  EXPECT_STRATA_ERROR(MappedFile("/nonexistent/x"), ErrorKind::usage, "cannot open");
  EXPECT_STRATA_ERROR(MappedFile("/"), ErrorKind::bad_file, "not a regular file");
  EXPECT_STRATA_ERROR(read_file("/dev/zero"), ErrorKind::bad_file, "not a regular file");
}

TEST(Npy, RoundTripsEveryType) {
  const NpyArray arrays[] = {{{2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6.5f}},
                             {{3}, std::vector<double>{-0.0, 1e300, 3}},
                             {{2}, std::vector<std::int32_t>{-1, 7}},
                             {{1, 1, 1}, std::vector<std::int64_t>{1ll << 40}},
                             {{0, 4}, std::vector<float>{}}};
  for (const auto& array : arrays) {
    const std::string bytes = format_npy(array);
    const NpyArray back = parse_npy(bytes, "x");
    EXPECT_EQ(back.shape, array.shape);
    EXPECT_EQ(back.data, array.data);
  }
}

TEST(Npy, CorruptTwins) {
  const std::string good = format_npy({{2, 3}, std::vector<float>(6)});
  const auto replaced = [&](std::string_view from, std::string_view to) {
    std::string s = good;
    s.replace(s.find(from), from.size(), to);
    return s;
  };
  const auto bad = [](const std::string& bytes, const char* text) {
    EXPECT_STRATA_ERROR(parse_npy(bytes, "x.npy"), ErrorKind::bad_file, text);
  };
  bad("short", "magic");
  bad(replaced("NUMPY", "NUMPX"), "magic");
  bad(replaced("<f4", "<c8"), "dtype");
  bad(replaced("False", "True "), "Fortran");
  bad(replaced("(2, 3)", "(2, x)"), "shape");
  bad(replaced("(2, 3)", "[2, 3]"), "shape");
  bad(replaced("(2, 3)", "(3, 3)"), "data");
  bad(replaced("'shape'", "'shapf'"), "shape");
  bad(good.substr(0, good.size() - 1), "data");
  bad(good + "x", "data");
  std::string version = good;
  version[6] = 9;
  bad(version, "version 9");
  std::string longer = good;
  longer[9] = '\x7f';
  bad(longer, "longer than the file");
  const std::string huge = "(4294967296, 4294967296, 2)";
  std::string overflow = good;
  overflow.replace(overflow.find("(2, 3)"), 6 + 21, huge);  // eats padding, keeps the header's length
  bad(overflow, "overflows");
}

TEST(Npz, RoundTripsAndIsReproducible) {
  const test::TemporaryDirectory dir;
  const std::vector<NamedArray> arrays = {{"a", {{2}, std::vector<double>{1, 2}}},
                                          {"b", {{1, 2}, std::vector<std::int32_t>{3, 4}}}};
  write_npz_atomic(dir.path() / "x.npz", arrays);
  write_npz_atomic(dir.path() / "y.npz", arrays);
  EXPECT_EQ(read_file(dir.path() / "x.npz"), read_file(dir.path() / "y.npz"));
  const auto back = read_npz(dir.path() / "x.npz");
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[1].name, "b");
  EXPECT_EQ(back[1].array.data, arrays[1].array.data);
  // The directory at the end claims more bytes than the file has (sizes at 20 and 24 of each entry's record).
  std::string lying = read_file(dir.path() / "x.npz");
  const std::size_t record = lying.find("PK\x01\x02");
  ASSERT_NE(record, std::string::npos);
  for (const std::size_t at : {record + 23, record + 27}) lying[at] = '\x40';
  test::write_text(dir.path() / "lying.npz", lying);
  EXPECT_STRATA_ERROR(read_npz(dir.path() / "lying.npz"), ErrorKind::bad_file, "entries within the file");
  test::write_text(dir.path() / "bad.npz", "not a zip");
  EXPECT_STRATA_ERROR(read_npz(dir.path() / "bad.npz"), ErrorKind::bad_file, "not a zip archive");
}

std::string two_arrays(const std::filesystem::path& path) {
  write_npz_atomic(path,
                   {{"a", {{2}, std::vector<double>{1, 2}}}, {"b", {{3}, std::vector<float>{3, 4, 5}}}});
  return read_file(path);
}

// Offsets are those of PKWARE's APPNOTE.TXT.
TEST(Npz, DatesAndAttributesAreFixed) {
  const test::TemporaryDirectory dir;
  const std::string bytes = two_arrays(dir.path() / "x.npz");
  const auto field = [&](std::size_t at, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    return value;
  };
  const std::size_t record = bytes.find("PK\x01\x02");
  ASSERT_NE(record, std::string::npos);
  EXPECT_EQ(field(record + 12, 4), 0x210000u);       // 1980-01-01 00:00
  EXPECT_EQ(field(record + 30, 2), 0u);              // no extra fields
  EXPECT_EQ(field(record + 38, 4), 0100666u << 16);  // a regular file
  EXPECT_EQ(field(28, 2), 0u);                       // nor in the local header
  EXPECT_EQ(field(10, 4), 0x210000u);
}

TEST(Npz, OddNames) {
  const test::TemporaryDirectory dir;
  const std::vector<std::string> names = {"", "..", "/a/b", "a b\n", "\xc3\xa4\xe2\x82\xac", "x.npy", "\xff"};
  std::vector<NamedArray> arrays;
  for (const std::string& name : names) arrays.push_back({name, {{}, std::vector<std::int32_t>{1}}});
  write_npz_atomic(dir.path() / "x.npz", arrays);
  const auto back = read_npz(dir.path() / "x.npz");
  ASSERT_EQ(back.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(back[i].name, names[i]);
}

TEST(Npz, TwoArraysOfOneName) {
  const test::TemporaryDirectory dir;
  const std::filesystem::path path = dir.path() / "x.npz";
  std::string bytes = two_arrays(path);
  const NamedArray one{"a", {{}, std::vector<std::int32_t>{1}}};
  EXPECT_STRATA_ERROR(write_npz_atomic(path, {one, one}), ErrorKind::run_failed, "cannot add a");
  EXPECT_EQ(read_file(path), bytes);
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "x.npz.tmp"));
  for (std::size_t at = bytes.find("b.npy"); at != std::string::npos; at = bytes.find("b.npy", at))
    bytes[at] = 'a';
  test::write_text(path, bytes);
  EXPECT_STRATA_ERROR(read_npz(path), ErrorKind::bad_file, "a second entry of that name");
}

TEST(Npz, TruncatedAnywhere) {
  const test::TemporaryDirectory dir;
  const std::filesystem::path path = dir.path() / "x.npz";
  const std::string good = two_arrays(path);
  for (std::size_t size = 0; size < good.size(); ++size) {
    test::write_text(path, good.substr(0, size));
    EXPECT_STRATA_ERROR(read_npz(path), ErrorKind::bad_file, "x.npz");
  }
}

// Values are protected by their checksum, and so no flipped byte may change one unnoticed.
TEST(Npz, AFlippedByteIsAnErrorOrChangesNoValue) {
  const test::TemporaryDirectory dir;
  const std::filesystem::path path = dir.path() / "x.npz";
  const std::string good = two_arrays(path);
  const auto want = read_npz(path);
  std::size_t refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      test::write_text(path, bad);
      try {
        const auto arrays = read_npz(path);
        ASSERT_EQ(arrays.size(), want.size()) << at;
        for (std::size_t i = 0; i < arrays.size(); ++i) {
          EXPECT_EQ(arrays[i].array.data, want[i].array.data) << at;
          EXPECT_EQ(arrays[i].array.shape, want[i].array.shape) << at;
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::bad_file) << at;
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, good.size());
}

TEST(Npz, FourGibibytesAreTooMuch) {
  const test::TemporaryDirectory dir;
  const std::filesystem::path path = dir.path() / "x.npz";
  two_arrays(path);
  std::filesystem::resize_file(path, std::uintmax_t{1} << 32);  // takes no room on the disk
  EXPECT_STRATA_ERROR(read_npz(path), ErrorKind::bad_file, "4 GiB");
}

TEST(Npz, EntriesThatLie) {
  const test::TemporaryDirectory dir;
  const std::filesystem::path path = dir.path() / "x.npz";
  const std::string good = two_arrays(path);
  const std::size_t record = good.find("PK\x01\x02");
  const auto bad = [&](std::size_t at, char value, const char* text) {
    std::string bytes = good;
    bytes[record + at] = value;
    test::write_text(path, bytes);
    EXPECT_STRATA_ERROR(read_npz(path), ErrorKind::bad_file, text);
  };
  bad(8, 1, "encrypted");
  bad(10, 8, "compressed");
  bad(16, good[record + 16] == 0 ? 1 : 0, "does not match its checksum");
  bad(20, 7, "compressed");                   // stored in fewer bytes than it has
  bad(42, 9, "does not match its checksum");  // where the entry begins
  bad(28, 4, "a.np");                         // a shorter name: the next field is read as its end
  std::string shorter = good;                 // both sizes, and so consistent with each other
  for (const std::size_t at : {record + 20, record + 24}) shorter[at] = static_cast<char>(shorter[at] - 8);
  test::write_text(path, shorter);
  EXPECT_STRATA_ERROR(read_npz(path), ErrorKind::bad_file, "does not match its checksum");
}

}  // namespace
}  // namespace strata
