// What an ELF file says about how its process is protected.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace strata::test {

struct ElfFile {
  bool position_independent = false;  ///< ET_DYN, an interpreter, DF_1_PIE
  bool relro = false;                 ///< PT_GNU_RELRO
  bool bind_now = false;              ///< DF_BIND_NOW or DF_1_NOW: with relro the whole GOT is read-only
  bool stack_executable = true;       ///< PT_GNU_STACK missing, or with PF_X
  bool writable_code = false;         ///< a PT_LOAD that is writable and executable
  bool text_relocations = false;      ///< DT_TEXTREL
  bool search_path = false;           ///< DT_RPATH or DT_RUNPATH
  std::uint32_t x86_features = 0;     ///< GNU_PROPERTY_X86_FEATURE_1_AND: 1 IBT, 2 SHSTK
  std::set<std::string> imports;      ///< undefined dynamic symbols
  std::map<std::string, std::string> code;  ///< first bytes of every function of .symtab, by name
};

/// Reads a 64-bit little-endian file of this machine. Throws std::runtime_error for anything else.
[[nodiscard]] ElfFile read_elf(const std::string& bytes);

}  // namespace strata::test
