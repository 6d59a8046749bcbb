#include "strata/workflow/scratch_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "strata/base/error.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNetworksPrefix = "strata-networks-";
constexpr std::size_t kRandom = 6;  // characters that mkdtemp fills in

// A directory with this name, this user's, whose mark says that it is scratch, and that no process holds.
void remove_if_abandoned(const fs::path& path) {
  struct stat info {};
  std::error_code ignored;
  if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) return;
  if (!fs::exists(path / kPartialFolder / "owner.json", ignored)) return;
  try {
    const OutputDirectory taken(path, OutputKind::scratch);
    fs::remove_all(path, ignored);
  } catch (const Error&) {  // in use, or another's
  }
}

}  // namespace

ScratchDirectory::ScratchDirectory() {
  const fs::path temporary = fs::temp_directory_path();
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(temporary, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kNetworksPrefix) && name.size() == kNetworksPrefix.size() + kRandom)
      remove_if_abandoned(entry.path());
  }
  std::string name = (temporary / kNetworksPrefix).string() + std::string(kRandom, 'X');
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorKind::run_failed,
                {.where = name, .found = "cannot create a temporary directory", .hint = "set TMPDIR"});
  }
  path_ = name;
  held_.emplace(path_, OutputKind::scratch);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace strata
