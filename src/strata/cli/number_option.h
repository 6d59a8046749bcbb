// Options that take numbers, read by base/numbers instead of CLI11, which takes "010" for 8, -1 for a huge
// number and "1e3" for 1. No command adds a number by any other way; a test reads the sources.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "strata/cli/numbers.h"

namespace strata {

inline constexpr int kMostOfAnything = 1 << 30;

namespace number_option {

// "-t,--threads" -> "--threads".
inline std::string long_name(const std::string& names) {
  const std::size_t at = names.rfind("--");
  return at == std::string::npos ? names : names.substr(at);
}

template <class T>
struct Held {
  using type = T;
};
template <class T>
struct Held<std::optional<T>> {
  using type = T;
};
template <class T>
struct Held<std::vector<T>> {
  using type = T;
};

template <class T>
void show_default(CLI::Option& option, const T& value) {
  if constexpr (std::is_arithmetic_v<T>) option.default_str(fmt::format("{}", value));
}

}  // namespace number_option

/// An option with one number within [least, most]; the flag names it in the error. `target` is a number, or
/// an std::optional of one that stays empty without the flag. `shown`: whether the help shows what `target`
/// holds now.
template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& names, T& target,
                        typename number_option::Held<T>::type least,
                        typename number_option::Held<T>::type most, const std::string& description,
                        bool shown = true) {
  using Value = typename number_option::Held<T>::type;
  const std::string flag = number_option::long_name(names);
  CLI::Option* const option = app.add_option_function<std::string>(
      names,
      [&target, least, most, flag](const std::string& text) {
        if constexpr (std::is_floating_point_v<Value>) {
          target = parse_real(text, least, most, flag);
        } else {
          target = static_cast<Value>(
              parse_count(text, static_cast<std::uint64_t>(least), static_cast<std::uint64_t>(most), flag));
        }
      },
      description);
  option->type_name(
      fmt::format("{} in [{} - {}]", std::is_floating_point_v<Value> ? "NUMBER" : "INT", least, most));
  if (shown) number_option::show_default(*option, target);
  return option;
}

/// An option with several whole numbers between commas.
template <class T>
CLI::Option* add_numbers(CLI::App& app, const std::string& names, std::vector<T>& target, T least, T most,
                         const std::string& description) {
  const std::string flag = number_option::long_name(names);
  return app
      .add_option_function<std::string>(
          names,
          [&target, least, most, flag](const std::string& text) {
            target.clear();
            for (const std::uint64_t value : parse_counts(text, static_cast<std::uint64_t>(least),
                                                          static_cast<std::uint64_t>(most), flag))
              target.push_back(static_cast<T>(value));
          },
          description)
      ->type_name(fmt::format("INT in [{} - {}] ...", least, most))
      ->default_str(fmt::format("{}", fmt::join(target, ",")));
}

/// Seeds are any 64-bit number.
inline CLI::Option* add_seed(CLI::App& app, std::uint64_t& target, const std::string& description) {
  return add_number(app, "-s,--seed", target, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max(),
                    description);
}

}  // namespace strata
