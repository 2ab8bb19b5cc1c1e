// SPDX-License-Identifier: Apache-2.0
#include "unwind/table_cache.h"

#include "kernel/unique_fd.h"
#include "store/output_file.h"
#include "unwind/elf_code.h"
#include "unwind/table_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace leakbpf {

namespace {

constexpr mode_t own_directory = 0700;

/// The value of an environment variable that names a directory. Relative ones do not count (XDG
/// Base Directory Specification).
std::optional<std::string> directory_in(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value != '/')
    return std::nullopt;
  return value;
}

bool make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1))
    if (::mkdir(path.substr(0, end).c_str(), own_directory) != 0 && errno != EEXIST)
      return false;
  return ::mkdir(path.c_str(), own_directory) == 0 || errno == EEXIST;
}

/// Differs between files of the same build-id whose code lies at other places (patchelf), or that
/// have other sections (strip).
std::uint64_t layout_of(const ElfFile& file) {
  uLong checksum = 0;
  for (const CodeSegment& segment : code_segments(file))
    for (const std::uint64_t value : {segment.address, segment.offset, segment.size})
      checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(&value), sizeof value);
  return (std::uint64_t{bytes_of(file).size()} << 32) ^ checksum;
}

std::vector<std::uint8_t> read_own_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      info.st_uid != ::geteuid() || info.st_size <= 0 ||
      static_cast<std::size_t>(info.st_size) > largest_table_file)
    return {};
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(info.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return {};
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

} // namespace

std::optional<std::string> TableCache::default_directory() {
  if (const auto cache = directory_in("XDG_CACHE_HOME"))
    return *cache + "/leakbpf/unwind";
  if (const auto home = directory_in("HOME"))
    return *home + "/.cache/leakbpf/unwind";
  return std::nullopt;
}

std::optional<UnwindTable> TableCache::load(const ElfFile& file) const {
  const auto path = path_of(file);
  if (!path)
    return std::nullopt;
  return parse_table(read_own_file(*path), layout_of(file));
}

bool TableCache::store(const ElfFile& file, const UnwindTable& table) {
  const auto path = path_of(file);
  return path && make_directories(*directory_) &&
         static_cast<bool>(write_private(*path, serialize(table, layout_of(file))));
}

std::optional<std::string> TableCache::path_of(const ElfFile& file) const {
  // ElfFile makes the build-id from bytes, so that it has no '/'; shorter ones are not unique.
  constexpr std::size_t shortest = 16;
  const std::string& id = file.build_id();
  if (!directory_ || directory_->empty() || id.size() < shortest ||
      id.find_first_not_of("0123456789abcdef") != std::string::npos)
    return std::nullopt;
  return *directory_ + "/" + id + ".unwind";
}

} // namespace leakbpf
