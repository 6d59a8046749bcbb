// The way out of the program: all that it prints. stderr may be closed or full, which stops nothing; a result
// that did not reach stdout is a failure. No text of a file reaches a terminal with control characters in it.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <string>
#include <string_view>
#include <utility>

#include "strata/base/text.h"

namespace strata {

/// To be called first: descriptors 0 to 2 that are closed are opened on /dev/null, so that no file of ours
/// gets their number, and a pipe that nobody reads is an error of the write, not a signal.
void prepare_streams();

/// Brings stdout to its end. The exit code: `code`, or 1 where something printed could not be written and
/// `code` is 0; stderr then says so.
[[nodiscard]] int finish_streams(int code);

/// To stderr as it is: for lines with our own cursor movement or colours, whose names went through
/// for_terminal.
void say_raw(std::string_view text);
/// To stderr, a text of several lines.
void say_lines(std::string_view text);
/// To stdout, a text of several lines for people.
void print_lines(std::string_view text);
/// To stdout, for programs: as it is, unless stdout is a terminal.
void print_data(std::string_view text);

namespace detail {

// Strings of a message may quote a file; numbers cannot.
template <class T>
decltype(auto) harmless(T&& value) {
  if constexpr (std::convertible_to<T&&, std::string_view>) {
    return for_terminal(std::string_view(value));
  } else {
    return std::forward<T>(value);
  }
}

template <class... T>
std::string message(std::string_view format, T&&... values) {
  return fmt::vformat(format, fmt::make_format_args(values...));
}

}  // namespace detail

/// A message on stderr; strings among `values` lose what a terminal would obey.
template <class... T>
void say(fmt::format_string<T...> format, T&&... values) {
  const fmt::string_view text = format;
  say_raw(detail::message({text.data(), text.size()}, detail::harmless(std::forward<T>(values))...));
}

/// The same on stdout.
template <class... T>
void show(fmt::format_string<T...> format, T&&... values) {
  const fmt::string_view text = format;
  print_lines(detail::message({text.data(), text.size()}, detail::harmless(std::forward<T>(values))...));
}

}  // namespace strata
