#include "strata/base/error.h"

#include <fmt/format.h>

#include <string_view>

#include "strata/base/text.h"

namespace strata {
namespace {

constexpr std::size_t kLongestPart = 4096;  // as long as a path may be

// Parts may quote a file: no control character reaches a terminal, and no file decides how long a line is.
std::string harmless(const std::string& part) {
  std::string clean = for_terminal(std::string_view(part).substr(0, kLongestPart));
  if (part.size() > kLongestPart) clean += "...";
  return clean;
}

std::string one_line(const Problem& p) {
  const std::string& where = p.option.empty() ? p.where : p.option;
  std::string line = harmless(where.empty() ? p.found : where);
  if (!where.empty()) line += ": " + harmless(p.found);
  if (!p.expected.empty()) line += "; expected " + harmless(p.expected);
  if (!p.hint.empty()) line += "; " + harmless(p.hint);
  return line;
}

}  // namespace

Error::Error(ErrorKind kind, const Problem& problem)
    : std::runtime_error(one_line(problem)), kind_(kind), problem_(problem) {}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return 2;
    case ErrorKind::bad_file:
    case ErrorKind::unsupported:
      return 3;
    case ErrorKind::out_of_memory:
      return 4;
    case ErrorKind::verification:
      return 5;
    case ErrorKind::interrupted:
      return 130;
    case ErrorKind::run_failed:
      break;
  }
  return 1;
}

void check_failed(const char* condition, const char* file, int line) {
  // Where the sources lay when this was built is nobody's concern.
  std::string_view place(file);
  if (const auto at = place.rfind("src/strata/"); at != std::string_view::npos) place.remove_prefix(at + 11);
  throw std::logic_error(
      fmt::format("a bug of strata ({}:{}: {}); please report it with the command and strata --version",
                  place, line, condition));
}

}  // namespace strata
