// StateStore: the same floats back from memory and from a file, nothing left on disk, one line when it is
// full.
#include "strata/base/state_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <bit>
#include <csignal>
#include <numeric>
#include <thread>

#include "strata/base/error.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

std::vector<float> ramp(std::size_t count, float from) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), from);
  return values;
}

class Places : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] StateStore make(std::vector<std::int64_t> sizes) const {
    return StateStore(sizes, {.spilled = GetParam(), .directory = directory_.path()});
  }
  test::TemporaryDirectory directory_;
};

TEST_P(Places, GivesBackWhatWasWritten) {
  StateStore store = make({3, 0, 5, 4});
  EXPECT_EQ(store.spilled(), GetParam());
  EXPECT_FALSE(store.written(0));
  store.write(0, ramp(3, 1.0f));
  store.write(2, ramp(2, 10.0f), 3);
  const float quiet = std::bit_cast<float>(0x7fc12345u);  // bits, not values: a NaN's payload survives
  store.write(3, std::vector<float>{-0.0f, quiet, 1e-45f, 3.4e38f});
  std::vector<float> buffer, part(2);
  EXPECT_EQ(std::vector<float>(store.view(0, buffer), store.view(0, buffer) + 3), ramp(3, 1.0f));
  EXPECT_EQ(std::vector<float>(store.view(2, buffer), store.view(2, buffer) + 5),
            (std::vector<float>{0, 0, 0, 10, 11}));
  store.read(3, part, 1);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(part[0]), 0x7fc12345u);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(part[1]), 1u);
  store.read(3, part, 0);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(part[0]), 0x80000000u);
}

TEST_P(Places, EditsCopiesAndDrops) {
  StateStore store = make({4, 4});
  store.write(0, ramp(4, 0.0f));
  std::vector<float> buffer;
  float* const h = store.edit(0, buffer);
  h[2] = 7.0f;
  store.commit(0, {h, 4});
  store.copy(0, 1);
  store.drop(0);
  EXPECT_FALSE(store.written(0));
  std::vector<float> out(4);
  EXPECT_THROW(store.read(0, out), std::logic_error);
  store.read(1, out);
  EXPECT_EQ(out, (std::vector<float>{0, 1, 7, 3}));
  store.write(0, ramp(1, 5.0f));  // a dropped slot begins again with zeros
  store.read(0, out);
  EXPECT_EQ(out, (std::vector<float>{5, 0, 0, 0}));
  StateStore moved = std::move(store);
  moved.read(1, out);
  EXPECT_EQ(out[2], 7.0f);
  EXPECT_THROW(moved.write(1, out, 1), std::logic_error);
}

TEST_P(Places, SlotsOfDifferentThreadsDoNotMeet) {
  constexpr std::size_t kSlots = 16, kSize = 5000;
  StateStore store = make(std::vector<std::int64_t>(kSlots, kSize));
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&store, t] {
      for (int round = 0; round < 20; ++round) {
        for (std::size_t s = t; s < kSlots; s += 4)
          store.write(s, ramp(kSize, static_cast<float>(s) + static_cast<float>(round)));
      }
    });
  }
  threads.clear();
  std::vector<float> out(kSize);
  for (std::size_t s = 0; s < kSlots; ++s) {
    store.read(s, out);
    EXPECT_EQ(out, ramp(kSize, static_cast<float>(s) + 19.0f));
  }
}

INSTANTIATE_TEST_SUITE_P(Both, Places, testing::Bool(),
                         [](const auto& suite) { return suite.param ? "spilled" : "resident"; });

TEST(StateStore, LeavesNothingBehind) {
  test::TemporaryDirectory directory;
  const StateStore::Traffic before = StateStore::traffic();
  {
    StateStore store(std::vector<std::int64_t>{100}, {.spilled = true, .directory = directory.path()});
    store.write(0, ramp(100, 0.0f));
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));  // even while it is in use
  }
  EXPECT_EQ(StateStore::traffic().written - before.written, 400u);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(StateStore, SaysWhereItCannotWrite) {
  test::TemporaryDirectory directory;
  const auto absent = directory.path() / "absent";
  EXPECT_STRATA_ERROR(StateStore(std::vector<std::int64_t>{1}, {.spilled = true, .directory = absent}),
                      ErrorKind::run_failed, absent.string() + ": cannot create temporary data");
}

TEST(StateStore, AFullDiskIsOneLine) {
  test::TemporaryDirectory directory;
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit tight = old;
  tight.rlim_cur = 1024;
  StateStore store(std::vector<std::int64_t>{100, 1000}, {.spilled = true, .directory = directory.path()});
  store.write(0, ramp(100, 0.0f));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  EXPECT_STRATA_ERROR(store.write(1, ramp(1000, 0.0f)), ErrorKind::run_failed, "cannot write temporary data");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  std::vector<float> out(100);
  store.read(0, out);
  EXPECT_EQ(out, ramp(100, 0.0f));
}

}  // namespace
}  // namespace strata
