// A model file that becomes shorter between the reading of its header and the look at its tensors.
#include "strata/dump/fingerprint.h"

#include <gtest/gtest.h>

#include "strata/base/error.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

TEST(Fingerprint, AFileThatWasCutSinceItWasOpenedIsABadFile) {
  const test::TemporaryDirectory directory;
  test::write_checkpoint(directory.path(), {});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const std::string whole = checkpoint_fingerprint(checkpoint);
  EXPECT_EQ(whole.size(), 64u);
  EXPECT_EQ(checkpoint_fingerprint(checkpoint), whole);
  const fs::path file = directory.path() / "model.safetensors";
  const auto size = fs::file_size(file);
  for (const std::uintmax_t left : {size - 1, size / 2, std::uintmax_t{100}, std::uintmax_t{0}}) {
    fs::resize_file(file, left);
    EXPECT_STRATA_ERROR(checkpoint_fingerprint(checkpoint), ErrorKind::bad_file, "model.safetensors");
  }
}

}  // namespace
}  // namespace strata
