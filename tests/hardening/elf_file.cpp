#include "tests/hardening/elf_file.h"

#include <elf.h>

#include <cstring>
#include <stdexcept>

namespace strata::test {
namespace {

constexpr std::size_t kCodeBytes = 4;  // endbr64

class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {
    header_ = at<Elf64_Ehdr>(0);
    if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 || header_.e_ident[EI_CLASS] != ELFCLASS64)
      throw std::runtime_error("no ELF file of 64 bits");
  }

  ElfFile read() {
    ElfFile file;
    bool interpreter = false, pie = false;
    for (std::size_t i = 0; i < header_.e_phnum; ++i) {
      const auto segment = at<Elf64_Phdr>(header_.e_phoff + i * sizeof(Elf64_Phdr));
      const bool code = (segment.p_flags & PF_X) != 0, writable = (segment.p_flags & PF_W) != 0;
      if (segment.p_type == PT_INTERP) interpreter = true;
      if (segment.p_type == PT_GNU_RELRO) file.relro = true;
      if (segment.p_type == PT_GNU_STACK) file.stack_executable = code;
      if (segment.p_type == PT_LOAD && code && writable) file.writable_code = true;
      if (segment.p_type == PT_DYNAMIC) pie = read_dynamic(segment, file);
      if (segment.p_type == PT_GNU_PROPERTY) file.x86_features = read_properties(segment);
    }
    file.position_independent = header_.e_type == ET_DYN && interpreter && pie;
    read_symbols(file);
    return file;
  }

 private:
  template <class T>
  [[nodiscard]] T at(std::size_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) throw std::runtime_error("cut short");
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }

  [[nodiscard]] std::string text(const Elf64_Shdr& strings, std::size_t offset) const {
    const std::size_t begin = strings.sh_offset + offset;
    if (begin >= bytes_.size()) throw std::runtime_error("a name outside the file");
    return bytes_.substr(begin, bytes_.find('\0', begin) - begin);
  }

  [[nodiscard]] Elf64_Shdr section(std::size_t index) const {
    return at<Elf64_Shdr>(header_.e_shoff + index * sizeof(Elf64_Shdr));
  }

  // Returns whether it says that the program is position independent.
  bool read_dynamic(const Elf64_Phdr& segment, ElfFile& file) const {
    bool pie = false;
    for (std::size_t at_byte = 0; at_byte < segment.p_filesz; at_byte += sizeof(Elf64_Dyn)) {
      const auto entry = at<Elf64_Dyn>(segment.p_offset + at_byte);
      const auto value = entry.d_un.d_val;
      if (entry.d_tag == DT_FLAGS && (value & DF_BIND_NOW) != 0) file.bind_now = true;
      if (entry.d_tag == DT_FLAGS_1 && (value & DF_1_NOW) != 0) file.bind_now = true;
      if (entry.d_tag == DT_FLAGS_1 && (value & DF_1_PIE) != 0) pie = true;
      if (entry.d_tag == DT_TEXTREL) file.text_relocations = true;
      if (entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH) file.search_path = true;
    }
    return pie;
  }

  [[nodiscard]] std::uint32_t read_properties(const Elf64_Phdr& segment) const {
    // One note: name size, descriptor size, type, "GNU", then properties of type, size, data padded to 8.
    const auto size = at<std::uint32_t>(segment.p_offset + 4);
    for (std::size_t offset = 0; offset + 8 <= size;) {
      const auto type = at<std::uint32_t>(segment.p_offset + 16 + offset);
      const auto length = at<std::uint32_t>(segment.p_offset + 16 + offset + 4);
      if (type == GNU_PROPERTY_X86_FEATURE_1_AND)
        return at<std::uint32_t>(segment.p_offset + 16 + offset + 8);
      offset += 8 + (length + 7) / 8 * 8;
    }
    return 0;
  }

  void read_symbols(ElfFile& file) const {
    for (std::size_t i = 0; i < header_.e_shnum; ++i) {
      const Elf64_Shdr table = section(i);
      if (table.sh_type != SHT_DYNSYM && table.sh_type != SHT_SYMTAB) continue;
      const Elf64_Shdr strings = section(table.sh_link);
      for (std::size_t offset = 0; offset < table.sh_size; offset += sizeof(Elf64_Sym)) {
        const auto symbol = at<Elf64_Sym>(table.sh_offset + offset);
        std::string name = text(strings, symbol.st_name);
        if (table.sh_type == SHT_DYNSYM && symbol.st_shndx == SHN_UNDEF) {
          file.imports.insert(std::move(name));
        } else if (table.sh_type == SHT_SYMTAB && ELF64_ST_TYPE(symbol.st_info) == STT_FUNC &&
                   symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < header_.e_shnum) {
          const Elf64_Shdr home = section(symbol.st_shndx);
          file.code[std::move(name)] =
              bytes_.substr(symbol.st_value - home.sh_addr + home.sh_offset, kCodeBytes);
        }
      }
    }
  }

  const std::string& bytes_;
  Elf64_Ehdr header_{};
};

}  // namespace

ElfFile read_elf(const std::string& bytes) {
  return Reader(bytes).read();
}

}  // namespace strata::test
