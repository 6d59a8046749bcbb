// The one exception type of the library: what went wrong, where, and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

namespace strata {

/// What kind of failure, so that the command line can choose its exit code.
enum class ErrorKind {
  usage,          ///< the request itself is wrong (exit 2)
  bad_file,       ///< a file is not what it claims to be (exit 3)
  unsupported,    ///< a valid model or format that strata does not compute (exit 3)
  out_of_memory,  ///< does not fit in the memory limit (exit 4)
  run_failed,     ///< anything that broke while running: disk full, unwritable output (exit 1)
  verification,   ///< a check against a reference failed (exit 5)
  interrupted,    ///< stopped by the user (exit 130)
};

/// The parts of one error line. `where` names the file (and tensor or key), the rest may be empty.
struct Problem {
  /// Instead of `where`: the field of a request, like "mem_limit"; the command line calls it --mem-limit.
  std::string option = {};
  std::string where = {};
  std::string found = {};
  std::string expected = {};
  std::string hint = {};
};

class Error : public std::runtime_error {
 public:
  /// what() is one line: "where: found; expected ...; hint", with control characters replaced and each part
  /// cut at 4096 bytes.
  Error(ErrorKind kind, const Problem& problem);
  [[nodiscard]] ErrorKind kind() const { return kind_; }
  [[nodiscard]] const Problem& problem() const { return problem_; }

 private:
  ErrorKind kind_;
  Problem problem_;
};

/// Exit code of docs/cli.md for an error of this kind.
[[nodiscard]] int exit_code(ErrorKind kind);

/// Always-on check for bugs of strata itself (never for bad input): throws std::logic_error.
#define STRATA_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::strata::check_failed(#condition, __FILE__, __LINE__))

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace strata
