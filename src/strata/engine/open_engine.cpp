#include <dlfcn.h>

#include <filesystem>

#include "strata/base/error.h"
#include "strata/engine/engine.h"

namespace strata {
namespace {

constexpr const char* kLibrary = "libstrata-engine.so";

// LibTorch and the program's libsentencepiece hold two versions of protocol buffers. RTLD_DEEPBIND lets
// LibTorch find its own first; AddressSanitizer does not allow it.
#ifdef __SANITIZE_ADDRESS__
constexpr int kHow = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kHow = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

const Engine* load() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::string reason;
  for (const auto& directory : {program, program / ".." / STRATA_LIBDIR}) {
    const auto path = directory / kLibrary;
    if (!std::filesystem::exists(path)) continue;
    void* library = dlopen(path.c_str(), kHow);
    if (library == nullptr) {
      reason = dlerror();
      continue;
    }
    using Entry = const Engine* (*)();
    if (const auto entry = reinterpret_cast<Entry>(dlsym(library, "strata_engine"))) return entry();
    reason = "no entry point strata_engine";
  }
  throw Error(ErrorKind::run_failed, {.where = kLibrary,
                                      .found = reason.empty() ? "not found beside the program" : reason,
                                      .expected = "the engine built with LibTorch",
                                      .hint = "build with the release preset, not lite"});
}

}  // namespace

const Engine& open_engine() {
  static const Engine* const engine = load();
  return *engine;
}

}  // namespace strata
