// Files that lie where a model should, and adapter_config.json beside weights.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "fuzz/expect.h"
#include "fuzz/targets.h"
#include "strata/base/foreign_file.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/checkpoint/locate.h"
#include "strata/checkpoint/weight_files.h"

namespace strata::fuzz {
namespace {

namespace fs = std::filesystem;

// One folder for the life of the process.
const fs::path& folder() {
  static const struct Folder {
    Folder() {
      std::string name = (fs::temp_directory_path() / "strata-fuzz-XXXXXX").string();
      if (mkdtemp(name.data()) == nullptr) find("no temporary folder", name.c_str());
      path = name;
    }
    ~Folder() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
    fs::path path;
  } kFolder;
  return kFolder.path;
}

void put(const char* name, std::string_view bytes) {
  std::ofstream(folder() / name, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

void foreign(std::string_view input) {
  if (const auto found = recognise_foreign(input)) {
    require_printable(found->what);
    require_printable(found->hint);
  }
  put("model.gguf", input);
  put("adapter_config.json", input);
  (void)looks_like_text(folder() / "model.gguf");
  expect_error_at_most([] { (void)Checkpoint::open(folder() / "model.gguf"); });
  if (const std::string note = adapter_note(folder()); !note.empty()) require_printable(note);
  expect_error_at_most([] { refuse_adapter(folder()); });
  expect_error_at_most([] { (void)locate_model((folder() / "adapter_config.json").string(), {}); });
}

}  // namespace strata::fuzz
