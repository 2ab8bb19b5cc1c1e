// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot_reader.h"

#include "base/gzip.h"
#include "base/memory_error.h"
#include "base/own_memory.h"
#include "base/unique_fd.h"
#include "store/snapshot_builder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace leakbpf {

namespace {

/// A document takes up to three times its size once it is taken apart.
std::size_t most_bytes() {
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  return static_cast<std::size_t>(std::min(own_memory_limit() / 4, most));
}

Error too_large(const std::string& name, const std::string& size) {
  return {ExitCode::io,
          fmt::format("{} {}: snapshots of up to {} bytes are read here", name, size, most_bytes()),
          "--max-memory lets leakbpf take more"};
}

/// By its size, and by the one that gzip's last bytes tell, before any of it is taken apart.
/// Nothing for what has no size, such as a pipe.
std::optional<Error> refusal_by_size(int fd, const std::string& name) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    return std::nullopt;
  if (static_cast<std::uint64_t>(info.st_size) > most_bytes())
    return too_large(name, fmt::format("has {} bytes", info.st_size));
  std::array<char, 2> begin{};
  std::array<std::uint8_t, 4> end{};
  const off_t last = info.st_size - static_cast<off_t>(end.size());
  if (pread(fd, begin.data(), begin.size(), 0) != ssize_t{begin.size()} || last < 0 ||
      !is_gzip({begin.data(), begin.size()}) ||
      pread(fd, end.data(), end.size(), last) != ssize_t{end.size()})
    return std::nullopt;
  std::uint32_t unpacked = 0;
  for (std::size_t i = end.size(); i-- > 0;)
    unpacked = unpacked << 8 | end[i];
  if (unpacked <= most_bytes())
    return std::nullopt;
  return too_large(name, fmt::format("unpacks to {} bytes", unpacked));
}

Error read_error(const char* what, const std::string& name, int error) {
  if (error == EBADF)
    return {ExitCode::io, fmt::format("cannot {} {}: it is closed", what, name), ""};
  return {ExitCode::io, fmt::format("cannot {} {}: {}", what, name, std::strerror(error)),
          error == ENOENT ? "`leakbpf snapshot -o FILE` writes a snapshot" : ""};
}

/// `done` tells how far it came.
Result<std::string> read_whole(int fd, const std::string& name, std::size_t& done) {
  constexpr std::size_t step = std::size_t{1} << 20;
  std::string data;
  for (;;) {
    done = data.size();
    if (done > most_bytes())
      return too_large(name, "is larger");
    data.resize(done + step);
    const ssize_t got = read(fd, data.data() + done, step);
    data.resize(done + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0)
      return data;
    if (got < 0 && errno != EINTR)
      return read_error("read", name, errno);
  }
}

Result<Report> read_document(std::string_view text, const std::string& name) {
  SnapshotBuilder builder(name);
  const Result<void> read = read_pieces(text, name, builder);
  if (builder.wrong_schema())
    return *builder.wrong_schema();
  if (!read)
    return read.error();
  return builder.finish();
}

} // namespace

Result<Report> read_snapshot(std::string_view text, const std::string& name) {
  if (!is_gzip(text))
    return read_document(text, name);
  const Result<std::string> unpacked = gunzip(text, most_bytes());
  if (!unpacked)
    return Error{
        ExitCode::io, unpacked.error().in(name).message,
        "copy the file again, take a new snapshot, or let leakbpf take more (--max-memory)"};
  return read_document(*unpacked, name);
}

Result<Report> load_snapshot(const std::string& path) {
  const bool standard = path == "-";
  const std::string name = standard ? "standard input" : path;
  const UniqueFd opened(standard ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!standard && !opened)
    return read_error("open", name, errno);
  const int fd = standard ? STDIN_FILENO : opened.get();
  if (const auto refused = refusal_by_size(fd, name))
    return *refused;
  std::size_t size = 0;
  try {
    const Result<std::string> data = read_whole(fd, name, size);
    if (!data)
      return data.error();
    return read_snapshot(*data, name);
  } catch (const std::bad_alloc&) {
    return memory_ran_out(fmt::format("the snapshot {}, of which {} bytes were read", name, size));
  }
}

} // namespace leakbpf
