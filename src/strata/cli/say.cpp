#include "strata/cli/say.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace strata {
namespace {

int stdout_error = 0;  // errno of the first write that failed

void write_stdout(std::string_view text) {
  if (stdout_error != 0 || text.empty()) return;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    stdout_error = errno == 0 ? EIO : errno;
}

}  // namespace

void prepare_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // stdout read-only: what is printed there fails, as it would have.
    const int opened = ::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    if (opened >= 0 && opened != fd) ::close(opened);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

int finish_streams(int code) {
  errno = 0;
  if (std::fflush(stdout) != 0 && stdout_error == 0) stdout_error = errno == 0 ? EIO : errno;
  if (std::ferror(stdout) != 0 && stdout_error == 0) stdout_error = EIO;
  if (stdout_error == 0) return code;
  say("strata: cannot write to standard output: {}\n", std::strerror(stdout_error));
  return code == 0 ? 1 : code;
}

void say_raw(std::string_view text) {
  // One write, so that lines of several processes do not mix; what fails is not worth a run.
  while (!text.empty()) {
    const ssize_t put = ::write(STDERR_FILENO, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

void say_lines(std::string_view text) {
  say_raw(for_terminal(text, true));
}

void print_lines(std::string_view text) {
  write_stdout(for_terminal(text, true));
}

void print_data(std::string_view text) {
  write_stdout(::isatty(STDOUT_FILENO) == 1 ? for_terminal(text, true) : std::string(text));
}

}  // namespace strata
