// SPDX-License-Identifier: Apache-2.0
// Tables kept on disk: the same again, or nothing.
#include "temporary_directory.h"
#include "unwind/table_cache.h"
#include "unwind/table_file.h"
#include "unwind_fixture.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

using leakbpf::ElfFile;
using leakbpf::TableCache;
using leakbpf::TemporaryDirectory;
using leakbpf::UnwindTable;
using leakbpf::cfi::Bytes;
using leakbpf::cfi::ElfImage;
using leakbpf::cfi::Section;
using namespace leakbpf::unwind_fixture;
namespace fs = std::filesystem;

namespace {

const std::string name_in_cache = "abababababababababababababababababababab.unwind";

ElfImage image() {
  Section section(ElfImage::eh_frame_address);
  section.fde(section.cie(), ElfImage::code_address + 0x100, 0x20, {0x41, 0x0e, 16, 0x86, 2});
  ElfImage image;
  image.eh_frame = section.bytes;
  return image;
}

/// A file with its table. The bytes stay where they are, for libelf.
struct Subject {
  explicit Subject(const ElfImage& source = image())
      : bytes(source.build()), file(*ElfFile::open_image(bytes.data(), bytes.size())),
        table(table_of(file)) {}
  Bytes bytes;
  ElfFile file;
  UnwindTable table;
};

bool same(const UnwindTable& a, const UnwindTable& b) {
  return a.rules == b.rules && a.rows == b.rows && a.stats == b.stats;
}

std::optional<UnwindTable> parse(const std::string& bytes, std::uint64_t layout = 5) {
  // A copy of its own size: the address sanitizer sees a read past its end.
  const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  return leakbpf::parse_table(copy, layout);
}

/// With the checksum that the bytes should have.
std::string sealed(std::string bytes) {
  const auto* begin = reinterpret_cast<const Bytef*>(bytes.data()) + leakbpf::table_checksum_end;
  const auto sum =
      static_cast<std::uint32_t>(crc32_z(0, begin, bytes.size() - leakbpf::table_checksum_end));
  std::memcpy(bytes.data() + leakbpf::table_checksum_offset, &sum, sizeof sum);
  return bytes;
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

class Environment {
public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name))
      old_ = old;
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }

private:
  const char* name_;
  std::optional<std::string> old_;
};

} // namespace

TEST_CASE("table cache: the same table again", "[unwind]") {
  const TemporaryDirectory directory;
  const std::string path = directory / "a/b/unwind";
  TableCache cache(path);
  const Subject subject;
  CHECK_FALSE(cache.load(subject.file));
  CHECK(cache.store(subject.file, subject.table));
  CHECK(mode_of(directory / "a") == 0700);
  CHECK(mode_of(path) == 0700);
  CHECK(mode_of(path + "/" + name_in_cache) == 0600);
  const auto loaded = cache.load(subject.file);
  REQUIRE(loaded);
  CHECK(same(*loaded, subject.table));
  CHECK(cache.store(subject.file, subject.table));
  CHECK(std::distance(fs::directory_iterator(path), {}) == 1);
}

TEST_CASE("table cache: an empty table is one, too", "[unwind]") {
  const TemporaryDirectory directory;
  TableCache cache(directory.path());
  const Subject subject{ElfImage{}};
  CHECK(cache.store(subject.file, subject.table));
  const auto loaded = cache.load(subject.file);
  REQUIRE(loaded);
  CHECK(same(*loaded, subject.table));
}

TEST_CASE("table cache: another layout of the same build-id is another file", "[unwind]") {
  const TemporaryDirectory directory;
  TableCache cache(directory.path());
  const Subject subject;
  REQUIRE(cache.store(subject.file, subject.table));
  ElfImage longer = image();
  longer.debug_frame = Bytes(64, 0);
  CHECK_FALSE(cache.load(Subject(longer).file));
}

TEST_CASE("table cache: nothing without a directory or a build-id", "[unwind]") {
  const TemporaryDirectory directory;
  const Subject subject;
  TableCache none(std::nullopt);
  CHECK_FALSE(none.store(subject.file, subject.table));
  CHECK_FALSE(none.load(subject.file));
  ElfImage nameless = image();
  nameless.build_id = {};
  ElfImage short_name = image();
  short_name.build_id = Bytes(4, 1);
  for (const ElfImage& source : {nameless, short_name}) {
    const Subject other(source);
    CHECK_FALSE(TableCache(directory.path()).store(other.file, other.table));
  }
  CHECK(fs::is_empty(directory.path()));
}

TEST_CASE("table cache: where it is", "[unwind]") {
  const Environment cache("XDG_CACHE_HOME", "/cache");
  const Environment home("HOME", "/home/me");
  CHECK(TableCache::default_directory() == "/cache/leakbpf/unwind");
  const Environment relative("XDG_CACHE_HOME", "cache");
  CHECK(TableCache::default_directory() == "/home/me/.cache/leakbpf/unwind");
  const Environment none("XDG_CACHE_HOME", nullptr);
  CHECK(TableCache::default_directory() == "/home/me/.cache/leakbpf/unwind");
  const Environment homeless("HOME", nullptr);
  CHECK_FALSE(TableCache::default_directory());
}

TEST_CASE("table cache: what cannot be written is not kept", "[unwind]") {
  const TemporaryDirectory directory;
  const Subject subject;
  leakbpf::write_text(directory / "file", "");
  CHECK_FALSE(TableCache(directory / "file").store(subject.file, subject.table));
  CHECK_FALSE(TableCache(directory / "file/below").store(subject.file, subject.table));
  CHECK_FALSE(TableCache("/proc/no/such").store(subject.file, subject.table));
  CHECK_FALSE(TableCache(directory / "file").load(subject.file));
  fs::create_directory(directory / name_in_cache);
  CHECK_FALSE(TableCache(directory.path()).store(subject.file, subject.table));
  CHECK_FALSE(TableCache(directory.path()).load(subject.file));
  CHECK(std::distance(fs::directory_iterator(directory.path()), {}) == 2); // nothing is left over
}

TEST_CASE("table cache: only one's own regular files", "[unwind]") {
  const TemporaryDirectory directory;
  TableCache cache(directory.path());
  const Subject subject;
  REQUIRE(cache.store(subject.file, subject.table));
  const std::string path = directory / name_in_cache;
  fs::rename(path, directory / "elsewhere");
  fs::create_symlink(directory / "elsewhere", path);
  CHECK_FALSE(cache.load(subject.file));
  fs::remove(path);
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_FALSE(cache.load(subject.file)); // does not wait, either
  fs::remove(path);
  fs::rename(directory / "elsewhere", path);
  CHECK(cache.load(subject.file));
  if (::geteuid() == 0 && ::chown(path.c_str(), 12345, 12345) == 0)
    CHECK_FALSE(cache.load(subject.file));
}

TEST_CASE("table cache: damage is found wherever it is", "[unwind]") {
  const Subject subject;
  const std::string bytes = leakbpf::serialize(subject.table, 5);
  REQUIRE(parse(bytes));
  CHECK(sealed(bytes) == bytes);
  CHECK_FALSE(parse(bytes, 6));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    INFO("byte " << i);
    CHECK_FALSE(parse(bytes.substr(0, i)));
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    CHECK_FALSE(parse(flipped));
  }
  CHECK_FALSE(parse(bytes + '\0'));
}

TEST_CASE("table cache: wrong contents under a right checksum", "[unwind]") {
  const Subject subject;
  const std::string good = leakbpf::serialize(subject.table, 5);
  const auto changed = [&](auto change) {
    UnwindTable table = subject.table;
    change(table);
    return parse(leakbpf::serialize(table, 5));
  };
  CHECK(changed([](UnwindTable&) {}));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rows[1].offset = table.rows[0].offset; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rows[1].rule = 99; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rows.back().rule = 1; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rows.back().offset = 0xffff'ffff; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rules.clear(); }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rules[0] = at(7, 8); }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rules[0].fp_offset = 1; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rules[1].cfa = 7; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rules[1].cfa_register = 16; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rules[1].return_register = 16; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rules[1].saved_fp = 3; }));
  CHECK_FALSE(changed([](UnwindTable& table) { table.rules[1].saved_fp = 48; }));
  for (const std::size_t field : {12U, 16U, 20U}) { // version and counts
    std::string bytes = good;
    bytes[field] = static_cast<char>(bytes[field] + 1);
    CHECK_FALSE(parse(sealed(bytes)));
    bytes[field + 3] = '\x7f';
    CHECK_FALSE(parse(sealed(bytes)));
  }
}

TEST_CASE("table cache: a real file", "[unwind]") {
  const TemporaryDirectory directory;
  TableCache cache(directory.path());
  for (const std::string& path : real_files()) {
    const ElfFile file = open_elf(path);
    if (file.build_id().empty())
      continue;
    const UnwindTable table = table_of(file);
    REQUIRE(cache.store(file, table));
    const auto loaded = cache.load(file);
    REQUIRE(loaded);
    CHECK(same(*loaded, table));
  }
}
