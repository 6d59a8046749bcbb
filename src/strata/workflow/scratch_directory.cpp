#include "strata/workflow/scratch_directory.h"

#include <unistd.h>

#include <string>

#include "strata/base/error.h"

namespace strata {

ScratchDirectory::ScratchDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "strata-networks-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorKind::run_failed,
                {.where = name, .found = "cannot create a temporary directory", .hint = "set TMPDIR"});
  }
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace strata
