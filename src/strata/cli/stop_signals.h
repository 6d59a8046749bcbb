// What SIGINT, SIGTERM and SIGHUP do to a run.
#pragma once

namespace strata {

/// Installs a handler for all three: ask_to_stop, stop_now, SIG_IGN or SIG_DFL.
void on_stop(void (*handler)(int));

/// The step in progress ends and is saved; a second signal does not wait for it.
void ask_to_stop(int);

/// Ends the program at once; never set while results are being written. Snapshots take their names when they
/// are whole.
[[noreturn]] void stop_now(int);

/// Whether ask_to_stop was called.
[[nodiscard]] bool stop_asked();

}  // namespace strata
