// SPDX-License-Identifier: Apache-2.0
// Separate debug files: where they are looked for, and which are refused; damaged files.
#include "module_fixture.h"
#include "sample/sample.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <link.h>

using leakbpf::Module;
using namespace leakbpf::module_fixture;

namespace {

Place place_of_target() {
  return place_of(sample::target());
}

/// ROOT/opt/program: the sample, stripped, with its debug information taken to ROOT/program.debug.
class StrippedProgram {
public:
  explicit StrippedProgram(bool with_build_id) {
    if (std::system("objcopy --version >/dev/null 2>&1") != 0)
      SKIP("objcopy is not installed");
    fs::create_directories(root() + "/opt/.debug");
    fs::create_directories(root() + "/usr/lib/debug/opt");
    fs::copy_file(place_of_target().path, root() + "/whole");
    if (!with_build_id)
      // It warns of the hole that this leaves in the segment.
      run("objcopy --remove-section=.note.gnu.build-id " + root() + "/whole 2>/dev/null");
    run("objcopy --only-keep-debug " + root() + "/whole " + debug() + " 2>/dev/null");
    // The link records the checksum of the debug file as it is now.
    run("objcopy --strip-all --add-gnu-debuglink=" + debug() + " " + root() + "/whole " +
        program());
    fs::remove(root() + "/whole");
    const std::string id = open_module(program()).build_id();
    if (with_build_id && id.empty())
      SKIP("the linker wrote no build-id");
    CHECK(with_build_id != id.empty());
    if (with_build_id)
      build_id_file_ =
          root() + "/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug";
  }

  [[nodiscard]] const std::string& root() const { return directory_.path(); }
  [[nodiscard]] std::string program() const { return root() + "/opt/program"; }
  [[nodiscard]] std::string debug() const { return root() + "/program.debug"; }
  [[nodiscard]] const std::string& build_id_file() const { return build_id_file_; }

  void put_debug_file_at(const std::string& path) const {
    fs::create_directories(fs::path(path).parent_path());
    fs::rename(debug(), path);
  }
  /// Whether the program has names, and then the right ones.
  [[nodiscard]] bool has_names() const {
    const Module module = open_module(program(), root());
    const auto frames = module.resolve(place_of_target().offset, false);
    REQUIRE(frames.size() == 1);
    if (frames[0].function.empty())
      return false;
    CHECK(frames[0].function == "sample::(anonymous namespace)::separate_target()");
    CHECK(fs::path(frames[0].file).filename() == fs::path(sample::source_file()).filename());
    // The first instruction may belong to the head or to the body.
    CHECK(frames[0].line >= sample::target_line());
    CHECK(frames[0].line <= sample::target_line() + 1);
    return true;
  }

private:
  TemporaryDirectory directory_;
  std::string build_id_file_;
};

std::vector<char> from_hex(const std::string& hex) {
  std::vector<char> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

/// Something cheap that visits every part of the code: names at places all over the file.
void resolve_everywhere(const Module& module, std::size_t size) {
  CHECK_FALSE(module.resolve(place_of_target().offset, false).empty());
  for (std::size_t i = 1; i < 8; ++i)
    CHECK_FALSE(module.resolve(size / 8 * i, true).empty());
}

} // namespace

TEST_CASE("a debug file is found by build-id below the root", "[symbol]") {
  const StrippedProgram program(true);
  CHECK_FALSE(program.has_names());
  program.put_debug_file_at(program.build_id_file());
  CHECK(program.has_names());
}

TEST_CASE("a debug file is found by its link", "[symbol]") {
  for (const bool with_build_id : {true, false}) {
    for (const char* place : {"/opt/", "/opt/.debug/", "/usr/lib/debug/opt/"}) {
      const StrippedProgram program(with_build_id);
      INFO(place << " build-id " << with_build_id);
      CHECK_FALSE(program.has_names());
      program.put_debug_file_at(program.root() + place + "program.debug");
      CHECK(program.has_names());
    }
  }
}

TEST_CASE("a debug file of another build is refused", "[symbol]") {
  const StrippedProgram program(true);
  std::vector<char> bytes = bytes_of(program.debug());
  const std::vector<char> id = from_hex(open_module(program.program()).build_id());
  auto found = std::search(bytes.begin(), bytes.end(), id.begin(), id.end());
  REQUIRE(found != bytes.end());
  *found = static_cast<char>(*found ^ 1);
  write_bytes(program.debug(), bytes);
  fs::copy_file(program.debug(), program.root() + "/opt/program.debug");
  program.put_debug_file_at(program.build_id_file());
  CHECK_FALSE(program.has_names());
}

TEST_CASE("without a build-id the checksum decides", "[symbol]") {
  const StrippedProgram program(false);
  std::vector<char> bytes = bytes_of(program.debug());
  bytes.push_back(0);
  write_bytes(program.debug(), bytes);
  program.put_debug_file_at(program.root() + "/opt/program.debug");
  CHECK_FALSE(program.has_names());
}

TEST_CASE("a link to a debug file outside of the root is not followed", "[symbol]") {
  const StrippedProgram program(true);
  const TemporaryDirectory outside;
  fs::create_directories(fs::path(program.build_id_file()).parent_path());
  fs::rename(program.debug(), outside / "program.debug");
  fs::create_symlink(outside / "program.debug", program.build_id_file());
  CHECK_FALSE(program.has_names());
  fs::remove(program.build_id_file());
  fs::rename(outside / "program.debug", program.root() + "/kept");
  fs::create_symlink("/kept", program.build_id_file()); // inside, as the process sees it
  CHECK(program.has_names());
}

TEST_CASE("a FIFO in the place of a debug file does not hold us", "[symbol]") {
  const StrippedProgram program(true);
  fs::create_directories(fs::path(program.build_id_file()).parent_path());
  run("mkfifo " + program.build_id_file());
  CHECK_FALSE(program.has_names());
}

TEST_CASE("truncated files give an error or no name", "[symbol]") {
  const std::vector<char> whole = bytes_of(place_of_target().path);
  std::mt19937 random(1); // NOLINT: the same files every time
  std::vector<std::size_t> sizes = {0, 1, 4, 16, 63, 64, 65, 120, 4096, whole.size() - 1};
  for (int i = 0; i < 40; ++i)
    sizes.push_back(random() % whole.size());
  for (const std::size_t size : sizes) {
    INFO(size);
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    auto module = Module::open_image(part.data(), part.size());
    if (module)
      resolve_everywhere(*module, whole.size());
    else
      CHECK_FALSE(module.error().message.empty());
  }
}

TEST_CASE("files with flipped bits give an error or some name", "[symbol]") {
  const std::vector<char> whole = bytes_of(place_of_target().path);
  std::vector<char> bytes = whole;
  std::mt19937 random(2); // NOLINT: the same files every time
  ElfW(Ehdr) header{};
  std::copy_n(bytes.begin(), sizeof(header), reinterpret_cast<char*>(&header));
  const std::size_t tables = header.e_shoff; // the section headers end the file
  const auto flip_in = [&](std::size_t from, std::size_t to) {
    const std::size_t at = from + random() % (to - from);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
  };
  for (int round = 0; round < 120; ++round) {
    if (round % 3 == 0)
      flip_in(sizeof(header.e_ident), 4096);
    if (round % 3 == 1)
      flip_in(tables, bytes.size());
    if (round % 3 == 2)
      for (std::size_t i = 0; i < tables / 5000; ++i)
        flip_in(0x1000, tables);
    auto module = Module::open_image(bytes.data(), bytes.size());
    if (module)
      resolve_everywhere(*module, bytes.size());
    bytes = whole;
  }
}
