// The program that was built has the protections that cmake/StrataHardening.cmake asks for: read from the
// file itself.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/hardening/elf_file.h"

namespace strata::test {
namespace {

std::string program_bytes() {
  std::ifstream file(STRATA_PROGRAM, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

bool any_ends_with(const std::set<std::string>& names, const std::string& end) {
  for (const std::string& name : names) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

// A copy with one program header made another type.
std::string without_segment(std::string bytes, std::uint32_t type) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    char* const at = bytes.data() + header.e_phoff + i * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    std::memcpy(&segment, at, sizeof(segment));
    if (segment.p_type != type) continue;
    segment.p_type = PT_NULL;
    std::memcpy(at, &segment, sizeof(segment));
  }
  return bytes;
}

class Hardening : public testing::Test {
 protected:
  void SetUp() override {
#ifdef STRATA_SANITIZE
    GTEST_SKIP() << "a sanitizer build has the sanitizers' checks instead";
#endif
    bytes_ = program_bytes();
    elf_ = read_elf(bytes_);
  }
  std::string bytes_;
  ElfFile elf_;
};

TEST_F(Hardening, FullRelroPieAndNoExecutableStack) {
  EXPECT_TRUE(elf_.position_independent);
  EXPECT_TRUE(elf_.relro);
  EXPECT_TRUE(elf_.bind_now);
  EXPECT_FALSE(elf_.stack_executable);
  EXPECT_FALSE(elf_.writable_code);
  EXPECT_FALSE(elf_.text_relocations);
  EXPECT_FALSE(elf_.search_path);
}

TEST_F(Hardening, StackProtectorFortifyAndLibraryAssertions) {
  EXPECT_TRUE(elf_.imports.contains("__stack_chk_fail"));
  EXPECT_TRUE(any_ends_with(elf_.imports, "_chk")) << "no fortified function";
  bool assertions = false;
  for (const std::string& name : elf_.imports)
    assertions |= name.find("glibcxx_assert_fail") != std::string::npos;
  for (const auto& [name, code] : elf_.code)
    assertions |= name.find("glibcxx_assert_fail") != std::string::npos;
  EXPECT_TRUE(assertions) << "libstdc++ checks no bounds";
}

// Every function of ours that an indirect call may reach begins with endbr64. (Static functions that are only
// called directly have none.)
TEST_F(Hardening, FunctionsAreMarkedForIndirectBranchTracking) {
#ifndef __x86_64__
  GTEST_SKIP() << "control-flow enforcement is of x86";
#endif
  if (elf_.code.empty()) GTEST_SKIP() << "the program has no symbol table";
  const std::string endbr64 = "\xf3\x0f\x1e\xfa";
  ASSERT_TRUE(elf_.code.contains("main"));
  EXPECT_EQ(elf_.code.at("main"), endbr64);
  std::size_t ours = 0, marked = 0;
  for (const auto& [name, code] : elf_.code) {
    const bool whole = name.find(".cold") == std::string::npos && name.find(".part") == std::string::npos &&
                       name.find(".isra") == std::string::npos &&
                       name.find(".constprop") == std::string::npos;
    if (!name.starts_with("_ZN6strata") || name.find("_GLOBAL__N_1") != std::string::npos || !whole) continue;
    ++ours;
    marked += code == endbr64 ? 1 : 0;
  }
  ASSERT_GT(ours, 500u);
  EXPECT_EQ(marked, ours);
}

// The reader sees what is missing: a corrupt twin for each header, and files that are none.
TEST_F(Hardening, TheReaderSeesWhatIsMissing) {
  EXPECT_FALSE(read_elf(without_segment(bytes_, PT_GNU_RELRO)).relro);
  EXPECT_TRUE(read_elf(without_segment(bytes_, PT_GNU_STACK)).stack_executable);
  EXPECT_FALSE(read_elf(without_segment(bytes_, PT_INTERP)).position_independent);
  const ElfFile no_dynamic = read_elf(without_segment(bytes_, PT_DYNAMIC));
  EXPECT_FALSE(no_dynamic.bind_now);
  EXPECT_FALSE(no_dynamic.position_independent);
  EXPECT_THROW((void)read_elf("#!/bin/sh\n"), std::runtime_error);
  EXPECT_THROW((void)read_elf(bytes_.substr(0, 100)), std::runtime_error);
}

}  // namespace
}  // namespace strata::test
