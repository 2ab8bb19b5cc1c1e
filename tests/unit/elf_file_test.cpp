// SPDX-License-Identifier: Apache-2.0
// ELF files that others made, or change while they are read.
#include "elf/elf_file.h"
#include "symbol/module.h"
#include "temporary_directory.h"
#include "unwind/unwind_table.h"

#include <cstring>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <elf.h>

using namespace leakbpf;
namespace fs = std::filesystem;

namespace {

/// A shared library's header, a section header behind it, and nothing else.
std::string bare_library(std::uint64_t sections, std::uint32_t segments) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_ehsize = sizeof header;
  header.e_shoff = sizeof header;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = segments == 0 ? 0 : PN_XNUM;
  Elf64_Shdr first{};
  first.sh_size = sections;
  first.sh_info = segments;
  std::string bytes(sizeof header + sizeof first, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, &first, sizeof first);
  return bytes;
}

} // namespace

TEST_CASE("a file that claims more than a program can have is refused", "[elf]") {
  const TemporaryDirectory folder;
  const auto opened = [&](std::uint64_t sections, std::uint32_t segments) {
    write_text(folder / "library", bare_library(sections, segments));
    fs::resize_file(folder / "library", std::uint64_t{4} << 30); // sparse
    const auto file = ElfFile::open(folder / "library");
    return file ? "" : file.error().message.substr(file.error().message.rfind(": ") + 2);
  };
  CHECK(opened(1, 0).empty());
  CHECK(opened(60'000'000, 0) == "not a 64-bit ELF file");
  CHECK(opened(1, 70'000'000) == "not a 64-bit ELF file");
}

TEST_CASE("symbol tables that no program has are refused", "[elf]") {
  std::string bytes = bare_library(2, 0);
  Elf64_Shdr table{};
  table.sh_type = SHT_SYMTAB;
  table.sh_size = std::uint64_t{3} << 30;
  bytes.append(reinterpret_cast<const char*>(&table), sizeof table);
  const TemporaryDirectory folder;
  write_text(folder / "library", bytes);
  fs::resize_file(folder / "library", std::uint64_t{4} << 30);
  const auto file = ElfFile::open(folder / "library");
  REQUIRE_FALSE(file);
  CHECK(file.error().message.ends_with("its symbol tables are too large"));
}

TEST_CASE("an ELF file that is cut while it is open gives what is left of it", "[elf]") {
  const TemporaryDirectory folder;
  fs::copy_file("/proc/self/exe", folder / "program");
  const auto file = ElfFile::open(folder / "program");
  REQUIRE(file);
  const auto module = Module::open(folder / "program", "");
  REQUIRE(module);
  const std::uint64_t size = file->size();
  CHECK(file->read(size - 10, 100).size() == 10);
  CHECK(file->unchanged());
  fs::resize_file(folder / "program", 4096);
  CHECK_FALSE(file->unchanged());
  CHECK(file->read(0, 100).size() == 100);
  CHECK(file->read(size / 2, 100).empty());
  const auto table = build_unwind_table(*file);
  REQUIRE_FALSE(table);
  CHECK(table.error().message.ends_with("it was changed"));
  const auto frames = module->resolve(size / 2, false);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].function.empty());
}
