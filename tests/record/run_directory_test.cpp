#include "strata/record/run_directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/npy.h"
#include "tests/support/paths.h"
#include "tests/support/synthetic_run.h"

namespace strata {
namespace {

const char* const kFiles[] = {"results.json",    "states.csv",          "blocks.csv", "edges.csv",
                              "brittleness.csv", "rate_distortion.csv", "arrays.npz"};

TEST(RunDirectory, RoundTripsAndSecondWriteIsTheSameBytes) {
  for (const strata::Run& run : {test::synthetic_run(12), test::undefined_run(12), test::tiny_run()}) {
    const test::TemporaryDirectory dir;
    write_run(dir.path() / "new" / "run", run);
    const strata::Run back = read_run(dir.path() / "new" / "run");
    EXPECT_EQ(results_json(back), results_json(run));
    ASSERT_EQ(back.trace.cka.size(), run.trace.cka.size());
    for (std::size_t i = 0; i < run.trace.cka.size(); ++i) {
      EXPECT_EQ(back.trace.cka[i].replicates, run.trace.cka[i].replicates);
    }
    write_run(dir.path() / "again", back);
    for (const char* file : kFiles) {
      EXPECT_EQ(read_file(dir.path() / "again" / file), read_file(dir.path() / "new" / "run" / file)) << file;
    }
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path() / "again"), {}),
              std::ssize(kFiles));
  }
}

TEST(RunDirectory, WhatCannotBeWrittenIsAnError) {
  const test::TemporaryDirectory dir;
  test::write_text(dir.path() / "file", "x");
  EXPECT_STRATA_ERROR(write_run(dir.path() / "file" / "run", test::tiny_run()), ErrorKind::run_failed,
                      "cannot create");
}

// Before there was a choice the plain name was that of raw states.
TEST(RunDirectory, AMatrixOfRawStatesAloneHasThePlainName) {
  strata::Run run = test::synthetic_run(8);
  run.trace.cka.erase(run.trace.cka.begin(), run.trace.cka.begin() + 2);
  const test::TemporaryDirectory dir;
  write_run(dir.path(), run);
  const auto arrays = read_npz(dir.path() / "arrays.npz");
  EXPECT_TRUE(
      std::any_of(arrays.begin(), arrays.end(), [](const auto& a) { return a.name == "cka_ordinary"; }));
  EXPECT_EQ(read_run(dir.path()).trace.cka[0].replicates, run.trace.cka[0].replicates);
}

TEST(RunDirectory, MissingFiles) {
  const test::TemporaryDirectory dir;
  EXPECT_STRATA_ERROR(read_run(dir.path()), ErrorKind::usage, "results.json");
  write_run(dir.path(), test::tiny_run());
  std::filesystem::remove(dir.path() / "arrays.npz");
  EXPECT_STRATA_ERROR(read_run(dir.path()), ErrorKind::bad_file, "arrays.npz");
}

TEST(RunDirectory, TruncatedFiles) {
  for (const char* file : {"results.json", "arrays.npz"}) {
    const test::TemporaryDirectory dir;
    write_run(dir.path(), test::synthetic_run(8));
    const std::string good = read_file(dir.path() / file);
    test::write_text(dir.path() / file, good.substr(0, good.size() - 40));
    EXPECT_STRATA_ERROR(read_run(dir.path()), ErrorKind::bad_file, file);
  }
}

TEST(RunDirectory, CorruptArrays) {
  struct Twin {
    const char* message;
    std::function<void(std::vector<NamedArray>&)> corrupt;
  };
  // Order of the arrays: version, cka_ordinary, its replicates, cka_all, its replicates, cka_ordinary_raw,
  // its replicates, spectrum_ordinary, its multiplicity, null samples.
  const Twin twins[] = {
      {"schema_version: no such array", [](auto& a) { a.erase(a.begin()); }},
      {"schema_version: shape (1); expected ()", [](auto& a) { a[0].array.shape = {1}; }},
      {"cka_ordinary: no such array", [](auto& a) { a[1].name.clear(); }},
      {"cka_ordinary: shape (81); expected (9, 9)", [](auto& a) { a[1].array.shape = {81}; }},
      {"cka_ordinary: values that differ",
       [](auto& a) { std::get<std::vector<double>>(a[1].array.data)[7] += 1e-9; }},
      {"cka_ordinary_replicates: shape (9, 5, 9)",
       [](auto& a) {
         a[2].array.shape = {9, 5, 9};
       }},
      {"cka_all_replicates: no such array", [](auto& a) { a.erase(a.begin() + 4); }},
      {"cka_ordinary_raw: values that differ",
       [](auto& a) { std::get<std::vector<double>>(a[5].array.data)[7] += 1e-9; }},
      {"spectrum_ordinary: shape (54); expected (9, 6)", [](auto& a) { a[7].array.shape = {54}; }},
      {"spectrum_ordinary: a negative or infinite number",
       [](auto& a) { std::get<std::vector<double>>(a[7].array.data)[7] = -1e-9; }},
      {"spectrum_ordinary_multiplicity: no such array", [](auto& a) { a.erase(a.begin() + 8); }},
      {"spectrum_ordinary_multiplicity: a negative or infinite number",
       [](auto& a) { std::get<std::vector<double>>(a[8].array.data)[0] = NAN; }},
      {"null_kernel_cka_ordinary_0: values that differ",
       [](auto& a) { std::get<std::vector<double>>(a[9].array.data)[0] = 0; }},
      {"null_kernel_cka_ordinary_1: shape (998)",
       [](auto& a) {
         std::get<std::vector<double>>(a[10].array.data).pop_back();
         a[10].array.shape = {998};
       }},
  };
  for (const Twin& twin : twins) {
    const test::TemporaryDirectory dir;
    write_run(dir.path(), test::synthetic_run(8));
    auto arrays = read_npz(dir.path() / "arrays.npz");
    twin.corrupt(arrays);
    write_npz_atomic(dir.path() / "arrays.npz", arrays);
    EXPECT_STRATA_ERROR(read_run(dir.path()), ErrorKind::bad_file, twin.message);
  }
  const test::TemporaryDirectory dir;
  write_run(dir.path(), test::synthetic_run(8));
  auto arrays = read_npz(dir.path() / "arrays.npz");
  std::get<std::vector<std::int64_t>>(arrays[0].array.data)[0] = 2;
  write_npz_atomic(dir.path() / "arrays.npz", arrays);
  EXPECT_STRATA_ERROR(read_run(dir.path()), ErrorKind::unsupported, "schema_version");
}

}  // namespace
}  // namespace strata
