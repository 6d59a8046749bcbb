# What makes an exploitable bug of the program a crash: for every object and program of the project, and checked in the
# built file by tests/hardening. Not in sanitizer builds, whose own checks these would hide or contradict.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

if(STRATA_SANITIZE OR STRATA_FUZZ)
  return()
endif()

# _GLIBCXX_ASSERTIONS: bounds of std::vector, std::span, std::string.
# _FORTIFY_SOURCE needs optimisation; some distributions define it themselves.
target_compile_options(strata_options INTERFACE
  -fstack-protector-strong -fstack-clash-protection
  $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>
  -U_GLIBCXX_ASSERTIONS -D_GLIBCXX_ASSERTIONS)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|i.86)$")
  target_compile_options(strata_options INTERFACE -fcf-protection=full)
endif()
target_link_options(strata_options INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)
