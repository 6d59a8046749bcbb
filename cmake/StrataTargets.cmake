# How every target of the project is built: C++20, warnings as errors, and one
# function each for a module under src/strata and for a test program.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  # Without these ccache stores nothing that used a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE}")
endif()

add_library(strata_options INTERFACE)
add_library(strata::options ALIAS strata_options)
# -Wno-missing-field-initializers: a designated initialiser that leaves a field at its default is meant.
# -Wno-restrict: g++ 12 reports it falsely for "text" + std::string.
# -ffp-contract=off: a fused multiply-add would round differently from one
# instruction set to the next, and the numbers must not.
# -fno-trapping-math: with it g++ 12 keeps a branch for every clamped exponential, and no loop with one is
# vectorised. The numbers are the same: only the flags of floating-point exceptions differ, which nothing reads.
target_compile_options(strata_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                                -Wno-sign-conversion -Wno-missing-field-initializers $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> -Werror -ffp-contract=off -fno-trapping-math)
# A program loads the libraries that it uses, not those that one of its modules might.
target_link_options(strata_options INTERFACE -Wl,--as-needed)
# Modules that read bytes of others or compute in raw buffers. The rest is arithmetic on vectors, whose bounds
# _GLIBCXX_ASSERTIONS checks in every other build.
set(strata_memory_modules base linalg record gguf checkpoint tokenizer corpus dump model signals interventions bottleneck sweep synth)
set(strata_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
if(STRATA_SANITIZE)
  target_link_options(strata_options INTERFACE -fsanitize=address,undefined)
  target_compile_definitions(strata_options INTERFACE STRATA_SANITIZE)
  if(STRATA_SANITIZE_ALL)
    target_compile_options(strata_options INTERFACE ${strata_sanitizers})
  endif()
endif()
if(STRATA_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "STRATA_FUZZ needs clang (libFuzzer): cmake --preset fuzz")
  endif()
  target_compile_options(strata_options INTERFACE -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow
                                                  -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(strata_options INTERFACE -fsanitize=address,undefined)
endif()

# Headers that most files include are parsed once for each of these targets: half of the time of a build is parsing.
# strata_parsed_headers(TARGET): gives the target the set that it includes most of.
# -Wno-stringop-*, -Wno-array-bounds: with precompiled headers g++ 12 reports them falsely for "text" + std::string.
if(STRATA_PCH)
  # Libraries and programs share the headers, so they are compiled alike.
  set(CMAKE_CXX_COMPILE_OPTIONS_PIE ${CMAKE_CXX_COMPILE_OPTIONS_PIC})
  set(parsed_headers <fmt/format.h> <algorithm> <array> <cmath> <cstdint> <cstring> <filesystem> <functional> <limits> <map>
                     <memory> <mutex> <numeric> <optional> <set> <span> <string> <string_view> <thread> <vector>)
  target_compile_options(strata_options INTERFACE "$<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess;-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-array-bounds>")
endif()
function(strata_parsed_headers target)
  get_target_property(libraries ${target} LINK_LIBRARIES)
  if(NOT STRATA_PCH OR torch IN_LIST libraries)
    return()
  endif()
  set(holder strata_headers)
  get_target_property(options ${target} COMPILE_OPTIONS)
  if("-fsanitize=address,undefined" IN_LIST options)
    string(APPEND holder _sanitized)
  endif()
  foreach(library GTest::gtest nlohmann_json::nlohmann_json)
    if(library IN_LIST libraries)
      string(MAKE_C_IDENTIFIER "${holder}_${library}" holder)
    endif()
  endforeach()
  if(NOT TARGET ${holder})
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/parsed_headers.cpp" CONTENT "" @ONLY)
    add_library(${holder} OBJECT "${PROJECT_BINARY_DIR}/generated/parsed_headers.cpp")
    target_link_libraries(${holder} PRIVATE strata::options strata::fmt)
    target_precompile_headers(${holder} PRIVATE ${parsed_headers})
    if(holder MATCHES "sanitized")
      target_compile_options(${holder} PRIVATE ${strata_sanitizers})
    endif()
    if(holder MATCHES "gtest")
      target_link_libraries(${holder} PRIVATE GTest::gtest)
      target_precompile_headers(${holder} PRIVATE <gtest/gtest.h>)
    endif()
    if(holder MATCHES "json")
      target_link_libraries(${holder} PRIVATE nlohmann_json::nlohmann_json)
      target_precompile_headers(${holder} PRIVATE <nlohmann/json.hpp>)
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${holder})
endfunction()

# strata_compiled(TARGET [COLD] [SEPARATE]): how a target's files are compiled.
# COLD: no time is spent in it, so -O1 in place of -O3, which compiles faster.
# SEPARATE: not several files at a time, because its files use the same names on purpose (one row of a table each).
function(strata_compiled target)
  cmake_parse_arguments(ARG "COLD;SEPARATE" "" "" ${ARGN})
  if(ARG_COLD)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  if(STRATA_UNITY AND NOT ARG_SEPARATE)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    # g++ takes the included files for headers, in which these would be worth a word.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
  strata_parsed_headers(${target})
endfunction()

# strata_module(NAME [TESTS_ONLY] [COLD] [SEPARATE] SOURCES a.cpp ... PUBLIC dep ... PRIVATE dep ...)
# TESTS_ONLY: not installed. COLD, SEPARATE: see strata_compiled.
function(strata_module name)
  cmake_parse_arguments(ARG "TESTS_ONLY;COLD;SEPARATE" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(how "")
  foreach(flag COLD SEPARATE)
    if(ARG_${flag})
      list(APPEND how ${flag})
    endif()
  endforeach()
  add_library(strata_${name} STATIC ${ARG_SOURCES})
  add_library(strata::${name} ALIAS strata_${name})
  set_target_properties(strata_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(strata_${name} PUBLIC cxx_std_20)
  target_include_directories(strata_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
                                                   $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(strata_${name} PUBLIC ${ARG_PUBLIC} PRIVATE $<BUILD_INTERFACE:strata::options> ${ARG_PRIVATE})
  if(STRATA_SANITIZE AND NOT STRATA_SANITIZE_ALL AND name IN_LIST strata_memory_modules)
    target_compile_options(strata_${name} PRIVATE ${strata_sanitizers})
  endif()
  strata_compiled(strata_${name} ${how})
  if(NOT ARG_TESTS_ONLY)
    install(TARGETS strata_${name} EXPORT strata-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endfunction()

# strata_test(NAME SOURCES a_test.cpp ... LINK dep ...): one program, one ctest entry.
function(strata_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE strata::options strata_test_support ${ARG_LINK} GTest::gtest GTest::gtest_main)
  strata_compiled(${name}_test COLD)
  add_test(NAME ${name} COMMAND ${name}_test)
  if(name IN_LIST memory_tests)
    set_tests_properties(${name} PROPERTIES LABELS memory)
    add_dependencies(memory_tests ${name}_test)
  endif()
endfunction()

# strata_torch_test(NAME SOURCES ... LINK ...): the program NAME_torch_test, which compares with LibTorch; all of them are
# built by the target torch_tests.
function(strata_torch_test name)
  if(STRATA_TORCH_TESTS)
    strata_test(${name}_torch ${ARGN})
    target_link_libraries(${name}_torch_test PRIVATE strata::torch_backend torch)
    # LibTorch's headers take more time than those, and want macros of their own.
    set_target_properties(${name}_torch_test PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
    set_tests_properties(${name}_torch PROPERTIES LABELS torch)
    add_dependencies(torch_tests ${name}_torch_test)
  endif()
endfunction()

# strata_fuzz(NAME): the libFuzzer program fuzz_NAME around strata::fuzz::NAME.
function(strata_fuzz name)
  add_executable(fuzz_${name} entry.cpp)
  target_link_libraries(fuzz_${name} PRIVATE strata::options strata_fuzz_targets)
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  target_compile_definitions(fuzz_${name} PRIVATE STRATA_FUZZ_TARGET=${name})
  add_dependencies(fuzzers fuzz_${name})
endfunction()
