// SPDX-License-Identifier: Apache-2.0
#include "core/culprit.h"
#include "elf_image.h"
#include "fake_proc.h"
#include "plan/allocators.h"
#include "plan/probe_plan.h"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// An allocator of this program's own, with names that nothing knows by itself.
extern "C" {
[[gnu::used, gnu::noinline]] void* leakbpf_test_malloc(std::size_t size) noexcept;
[[gnu::used, gnu::noinline]] void leakbpf_test_free(void* block) noexcept;
[[gnu::used, gnu::noinline]] void* leakbpf_test_mmap64(void* hint) noexcept;
[[gnu::used]] void* leakbpf_test_mmap(void* hint) noexcept;
[[gnu::used, gnu::noinline]] int leakbpf_test_unrelated(int value) noexcept;

void* leakbpf_test_malloc(std::size_t size) noexcept {
  static char blocks[64];
  return blocks + size % sizeof blocks;
}
void leakbpf_test_free(void* block) noexcept {
  *static_cast<char*>(block) = 1;
}
void* leakbpf_test_mmap64(void* hint) noexcept {
  return static_cast<char*>(hint) + 1;
}
__attribute__((alias("leakbpf_test_mmap64"))) void* leakbpf_test_mmap(void* hint) noexcept;
int leakbpf_test_unrelated(int value) noexcept {
  return value + 3;
}
}

namespace leakbpf {
namespace {

MappedFile at_path(const std::string& path, const std::string& open_path) {
  MappedFile file;
  file.path = path;
  file.open_path = open_path;
  return file;
}

std::vector<MappedFile> own_files() {
  const ProcFs proc;
  const auto mappings = proc.mappings(getpid());
  REQUIRE(mappings);
  std::vector<MappedFile> files = executable_files(proc, getpid(), *mappings);
  for (MappedFile& file : files)
    file.open_path = file.path; // links to mapped files need rights
  return files;
}

std::optional<MappedFile> own_file(const std::string& prefix) {
  for (const MappedFile& file : own_files())
    if (base_name(file.path).starts_with(prefix))
      return file;
  return std::nullopt;
}

MappedFile libc() {
  auto file = own_file("libc.so");
  if (!file)
    file = own_file("libc-");
  if (!file)
    SKIP("this program has no libc of its own kind");
  return *file;
}

Allocator found_in(const MappedFile& file, const AllocatorHints& hints = {}) {
  auto allocator = find_allocator(file, hints);
  INFO((allocator ? "" : allocator.error().message));
  REQUIRE(allocator);
  return *std::move(allocator);
}

std::set<std::string> symbols(const Allocator& allocator) {
  std::set<std::string> names;
  for (const AllocatorFunction& function : allocator.functions)
    names.insert(function.symbol);
  return names;
}

TEST_CASE("libc's allocation functions are found", "[allocators]") {
  const Allocator allocator = found_in(libc());
  const std::set<std::string> names = symbols(allocator);
  for (const std::string name :
       {"malloc", "free", "calloc", "realloc", "posix_memalign", "mmap", "munmap"}) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
  for (const AllocatorFunction& function : allocator.functions) {
    CAPTURE(function.symbol);
    REQUIRE(function.function);
    CHECK(function.function->name == function.symbol);
    CHECK(function.file_offset > 0);
    CHECK_FALSE(function.code.empty());
  }
}

TEST_CASE("functions at one address are found once, under the usual name", "[allocators]") {
  const Allocator allocator = found_in(libc());
  std::set<std::uint64_t> offsets;
  for (const AllocatorFunction& function : allocator.functions)
    CHECK(offsets.insert(function.file_offset).second);
  CHECK(symbols(allocator).contains("mmap"));
}

TEST_CASE("the loader's own allocator is skipped", "[allocators]") {
  MappedFile loader = libc(); // would be searched under any other name
  for (const std::string path :
       {"/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-2.31.so"}) {
    loader.path = path;
    CHECK(found_in(loader).functions.empty());
  }
  loader.path = "/lib/ld-musl-x86_64.so.1"; // is musl's libc
  CHECK_FALSE(found_in(loader).functions.empty());
}

TEST_CASE("only the named objects are searched", "[allocators]") {
  const MappedFile file = libc();
  CHECK(found_in(file, {{"/opt/other.so"}, ""}).functions.empty());
  CHECK_FALSE(found_in(file, {{"/opt/other.so", file.path}, ""}).functions.empty());
}

TEST_CASE("names with the prefix are searched too", "[allocators]") {
  const MappedFile program = at_path("/opt/program", "/proc/self/exe");
  const Allocator with = found_in(program, {{}, "leakbpf_test_"});
  const std::set<std::string> names = symbols(with);
  CHECK(names.contains("leakbpf_test_malloc"));
  CHECK(names.contains("leakbpf_test_free"));
  CHECK_FALSE(names.contains("leakbpf_test_unrelated"));
  for (const AllocatorFunction& function : with.functions)
    if (function.symbol == "leakbpf_test_malloc")
      CHECK(function.function->name == "malloc");
  CHECK_FALSE(symbols(found_in(program)).contains("leakbpf_test_malloc"));
  CHECK(symbols(found_in(libc(), {{}, "leakbpf_test_"})).contains("malloc"));
}

TEST_CASE("an alias with the prefix is found once, under the usual name", "[allocators]") {
  const MappedFile program = at_path("/opt/program", "/proc/self/exe");
  const std::set<std::string> names = symbols(found_in(program, {{}, "leakbpf_test_"}));
  CHECK(names.contains("leakbpf_test_mmap"));
  CHECK_FALSE(names.contains("leakbpf_test_mmap64"));
}

/// A library with these functions, in a table that is exported or not.
std::set<std::string> found_in_library(const std::vector<std::string>& names, bool exported,
                                       const std::string& prefix = "") {
  cfi::ElfImage image;
  image.symbol_table = exported ? SHT_DYNSYM : SHT_SYMTAB;
  for (std::uint64_t i = 0; i < names.size(); i++)
    image.symbols.push_back({names[i], 0x100 * i, 0x80});
  const cfi::Bytes bytes = image.build();
  const TemporaryDirectory folder;
  write_text(folder / "library.so", {bytes.begin(), bytes.end()});
  return symbols(found_in(at_path("/library.so", folder / "library.so"), {{}, prefix}));
}

using NameSet = std::set<std::string>;

TEST_CASE("operators are an allocator's own only beside a malloc", "[allocators]") {
  const std::vector<std::string> operators{"_Znwm", "_ZdlPvm", "free"};
  CHECK(found_in_library(operators, true) == NameSet{"free"});
  CHECK(found_in_library({"_Znwm", "_ZdlPvm", "malloc"}, true) ==
        NameSet{"_Znwm", "_ZdlPvm", "malloc"});
  // What is built for a program under other names leaves the program its operators.
  CHECK(found_in_library({"_Znwm", "_rjem_malloc"}, true) == NameSet{"_rjem_malloc"});
  const auto standard_library = own_file("libstdc++.so");
  if (standard_library)
    CHECK(found_in(*standard_library).functions.empty());
}

TEST_CASE("of names that a library keeps to itself only an allocator's count", "[allocators]") {
  const std::vector<std::string> names{"malloc",    "free",    "_rjem_sdallocx", "je_malloc",
                                       "mi_zalloc", "my_free", "_ZdlPv"};
  CHECK(found_in_library(names, false) == NameSet{"_rjem_sdallocx", "je_malloc", "mi_zalloc"});
  CHECK(found_in_library(names, false, "my_") ==
        NameSet{"_rjem_sdallocx", "je_malloc", "mi_zalloc", "my_free"});
  CHECK(found_in_library(names, true) ==
        NameSet{"malloc", "free", "_rjem_sdallocx", "je_malloc", "mi_zalloc", "_ZdlPv"});
}

TEST_CASE("calls between a library's own functions are seen through its stubs", "[allocators]") {
  const std::string musl = "/usr/lib/x86_64-linux-musl/libc.so";
  if (!std::filesystem::exists(musl))
    SKIP("musl is not installed");
  const Allocator allocator = found_in(at_path(musl, musl));
  CHECK_FALSE(allocator.is_glibc);
  CHECK_FALSE(allocator.stubs.empty());
  bool calloc_nests = false;
  std::set<std::string> probed;
  for (const PlannedProbe& probe : plan_probes(allocator).probes) {
    probed.insert(probe.symbol);
    if (probe.symbol == "calloc")
      calloc_nests = (probe.cookie & LEAKBPF_COOKIE_NESTS) != 0;
  }
  CHECK(calloc_nests);
  CHECK(probed.contains("malloc"));
  CHECK(probed.contains("aligned_alloc"));
  CHECK_FALSE(probed.contains("memalign")); // jumps to aligned_alloc
  const auto malloc =
      std::find_if(allocator.functions.begin(), allocator.functions.end(),
                   [](const AllocatorFunction& function) { return function.symbol == "malloc"; });
  REQUIRE(malloc != allocator.functions.end());
  if (malloc->code.at(0) == 0xe9) // its body stands elsewhere, without a name
    CHECK_FALSE(allocator.jump_targets.empty());
}

TEST_CASE("a file that is no ELF file has no allocator", "[allocators]") {
  const TemporaryDirectory folder;
  for (const std::string text : {"", "\177ELF", "just some text that is mapped and executable"}) {
    write_text(folder / "data", text);
    CHECK(found_in(at_path("/data", folder / "data")).functions.empty());
  }
}

TEST_CASE("a file that cannot be opened is an error", "[allocators]") {
  const TemporaryDirectory folder;
  const auto allocator = find_allocator(at_path("/gone", folder / "gone"), {});
  REQUIRE_FALSE(allocator);
  CHECK(allocator.error().code == ExitCode::cannot_trace);
}

Mapping code(std::uint64_t start, const std::string& path, std::uint64_t inode) {
  return {start, start + 0x1000, 0, true, 8ULL << 32, inode, path, false};
}

TEST_CASE("each file with code is named once", "[allocators]") {
  const FakeProc proc;
  Mapping data = code(0x5000, "/data", 9);
  data.executable = false;
  const std::vector<Mapping> mappings{code(0x1000, "/a", 1),
                                      code(0x2000, "/a", 1),
                                      code(0x3000, "", 0),
                                      code(0x4000, "[vdso]", 0),
                                      data,
                                      code(0x6000, "/b", 2)};
  const auto files = executable_files(proc.fs(), 42, mappings);
  REQUIRE(files.size() == 2);
  CHECK(files[0].path == "/a");
  CHECK(files[1].path == "/b");
  CHECK(files[1].inode == 2);
}

/// As /proc/PID/maps would show the file at `path`.
MappedFile mapped(const FakeProc& proc, const std::string& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  MappedFile file;
  file.device = std::uint64_t{major(info.st_dev)} << 32 | minor(info.st_dev);
  file.inode = info.st_ino;
  file.path = "/library.so";
  file.pid = 42;
  file.start = 0x1000;
  file.end = 0x2000;
  file.root = proc.path(42, "root");
  return file;
}

std::string text_of(const Result<UniqueFd>& file) {
  char text[16] = "";
  return file && read(file->get(), text, sizeof(text) - 1) >= 0 ? text : "";
}

TEST_CASE("a file is opened as it is mapped, or at its path in its process's root",
          "[allocators]") {
  const FakeProc proc;
  const std::string root = proc.path(42, "root");
  std::filesystem::create_directories(root);
  std::filesystem::create_directories(proc.path(42, "map_files"));
  const std::string link = proc.path(42, "map_files/1000-2000");
  write_text(root + "/library.so", "inside");
  const MappedFile file = mapped(proc, root + "/library.so");
  CHECK(text_of(open_mapped_file(proc.fs(), file)) == "inside");

  // Renamed, and another file put in its place: only the kernel's link leads to it.
  std::filesystem::rename(root + "/library.so", root + "/old");
  write_text(root + "/library.so", "another");
  auto opened = open_mapped_file(proc.fs(), file);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ExitCode::no_target);
  std::filesystem::create_symlink(root + "/old", link);
  CHECK(text_of(open_mapped_file(proc.fs(), file)) == "inside");

  // What is mapped at these addresses now is another file.
  std::filesystem::remove(link);
  std::filesystem::create_symlink(root + "/library.so", link);
  CHECK_FALSE(open_mapped_file(proc.fs(), file));
}

TEST_CASE("a FIFO or a link out of the root in the place of a mapped file is left alone",
          "[allocators]") {
  const FakeProc proc;
  const std::string root = proc.path(42, "root");
  std::filesystem::create_directories(root);
  const std::string outside = proc.path(42, "outside");
  write_text(outside, "outside");
  const MappedFile file = mapped(proc, outside);
  std::filesystem::create_symlink(outside, root + "/library.so");
  CHECK_FALSE(open_mapped_file(proc.fs(), file));
  std::filesystem::remove(root + "/library.so");
  REQUIRE(mkfifo((root + "/library.so").c_str(), 0600) == 0);
  MappedFile fifo = mapped(proc, root + "/library.so");
  CHECK_FALSE(open_mapped_file(proc.fs(), fifo));
}

} // namespace
} // namespace leakbpf
