// Runs the strata program in a child process and keeps what it printed; and the small model that most
// tests give it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/paths.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata::test {

struct Result {
  int code = -1;  ///< exit code; 1000 + signal when a signal ended it
  std::string out, err;
};

/// A child that runs on its own, for tests that send it signals.
class Child {
 public:
  /// Starts the program. `environment` holds extra NAME=value entries.
  /// stderr goes to `terminal` where one is named. By default no leaks are looked for: LeakSanitizer itself
  /// now and then dies when a stopped program's threads end (github.com/google/sanitizers/issues/1353).
  explicit Child(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment = {"LSAN_OPTIONS=detect_leaks=0"},
                 const std::string& terminal = {});
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// Waits until stderr contains `text`; false when the program ended without it.
  [[nodiscard]] bool wait_for(std::string_view text);
  void send(int signal) const;
  [[nodiscard]] pid_t process() const { return pid_; }
  [[nodiscard]] Result wait();

 private:
  [[nodiscard]] bool ended();
  TemporaryDirectory directory_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool reaped_ = false;
};

[[nodiscard]] Result strata(const std::vector<std::string>& arguments,
                            const std::vector<std::string>& environment = {});

/// The same with stderr on a terminal; its output is in `err`.
[[nodiscard]] Result strata_on_terminal(const std::vector<std::string>& arguments,
                                        const std::vector<std::string>& environment = {});

[[nodiscard]] std::string slurp(const std::filesystem::path& path);

/// Names of the files in a directory, sorted.
[[nodiscard]] std::vector<std::string> names_in(const std::filesystem::path& directory);

/// A random model of three blocks with llama-nano's tokenizer, so that text can be given to it.
[[nodiscard]] TinyCheckpoint tiny_with_tokenizer();
void write_model(const std::filesystem::path& directory, const TinyCheckpoint& tiny);

/// analyze's arguments for a run of a few seconds.
[[nodiscard]] std::vector<std::string> quick_analyze(const std::filesystem::path& model,
                                                     const std::filesystem::path& output,
                                                     const std::vector<std::string>& more = {});

[[nodiscard]] std::size_t count_lines(const std::string& text);

}  // namespace strata::test
