#include "strata/cli/stop_signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string_view>

#include "strata/base/error.h"

namespace strata {
namespace {

std::atomic<bool> asked{false};

// What a signal handler may print.
void say_in_handler(std::string_view text) {
  (void)!write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

void on_stop(void (*handler)(int)) {
  std::signal(SIGINT, handler);
  std::signal(SIGTERM, handler);
  // A terminal that is closed; nohup asked that it does nothing.
  static const bool ignored = [] {
    struct sigaction before {};
    return ::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
  }();
  if (!ignored) std::signal(SIGHUP, handler);
}

void ask_to_stop(int) {
  if (asked.exchange(true)) stop_now(0);
  say_in_handler("\nsaving after the step in progress; once more stops at once\n");
}

void stop_now(int) {
  say_in_handler("strata: interrupted; what was saved before is kept\n");
  _exit(exit_code(ErrorKind::interrupted));
}

bool stop_asked() {
  return asked;
}

}  // namespace strata
