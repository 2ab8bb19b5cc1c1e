// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot_reader.h"

#include "kernel/unique_fd.h"
#include "store/gzip.h"
#include "store/snapshot_builder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 30;

Error read_error(const char* what, const std::string& name, int error) {
  return {ExitCode::io, fmt::format("cannot {} {}: {}", what, name, std::strerror(error)),
          error == ENOENT ? "`leakbpf snapshot -o FILE` writes a snapshot" : ""};
}

Result<std::string> read_whole(int fd, const std::string& name) {
  constexpr std::size_t step = std::size_t{1} << 20;
  std::string data;
  for (;;) {
    const std::size_t done = data.size();
    if (done > most_bytes)
      return Error{ExitCode::io, name + " is larger than 1 GiB: too large for a snapshot", ""};
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
  const Result<std::string> unpacked = gunzip(text, most_bytes);
  if (!unpacked)
    return Error{ExitCode::io, unpacked.error().in(name).message,
                 "copy the file again, or take a new snapshot"};
  return read_document(*unpacked, name);
}

Result<Report> load_snapshot(const std::string& path) {
  const bool standard = path == "-";
  const std::string name = standard ? "standard input" : path;
  const UniqueFd opened(standard ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!standard && !opened)
    return read_error("open", name, errno);
  const Result<std::string> data = read_whole(standard ? STDIN_FILENO : opened.get(), name);
  if (!data)
    return data.error();
  return read_snapshot(*data, name);
}

} // namespace leakbpf
