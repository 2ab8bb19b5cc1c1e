// SPDX-License-Identifier: Apache-2.0
#include "store/output_file.h"

#include "base/new_file.h"
#include "base/path_walk.h"
#include "base/write_all.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace leakbpf {

namespace {

bool is_stdout(const std::string& path) {
  return path.empty() || path == "-";
}

Error cannot_write(const std::string& path, Error reason) {
  reason.message = fmt::format("cannot write {}: {}", output_name(path), reason.message);
  return reason;
}

/// A pipe, a terminal, a device, what is open already: there is no way to replace it whole.
bool is_special(const Place& place) {
  return place.exists() && (place.is_open || !S_ISREG(place.info.st_mode));
}

/// Whose the file is and who may read it stays as it was.
Result<void> keep_attributes(int fd, const struct stat& before) {
  constexpr mode_t permissions = 0777;
  struct stat now {};
  if (fstat(fd, &now) != 0)
    return file_error(errno);
  if ((now.st_uid != before.st_uid || now.st_gid != before.st_gid) &&
      fchown(fd, before.st_uid, before.st_gid) != 0)
    return Error{ExitCode::io,
                 fmt::format("it belongs to user {} and group {}, and only root can keep that",
                             before.st_uid, before.st_gid),
                 "remove it, or name another file"};
  if (fchmod(fd, before.st_mode & permissions) != 0)
    return file_error(errno);
  return {};
}

Result<void> put_file(const Place& place, const std::string& data) {
  NewFile file(place.folder.get());
  if (file.fd() < 0)
    return file_error(errno);
  if (const int error = write_all(file.fd(), data); error != 0)
    return file_error(error);
  if (place.exists())
    if (auto kept = keep_attributes(file.fd(), place.info); !kept)
      return kept;
  if (fsync(file.fd()) != 0)
    return file_error(errno);
  const int error = place.exists() ? file.replace(place.name) : file.take_name(place.name);
  return error == 0 ? Result<void>() : file_error(error);
}

/// A regular file that is open, as behind /dev/stdout, may have what others wrote: it is kept.
Result<void> put_special(const Place& place, const std::string& data) {
  const UniqueFd fd = open_found(place, O_WRONLY | O_APPEND);
  if (!fd)
    return file_error(errno);
  const int error = write_all(fd.get(), data);
  return error == 0 ? Result<void>() : file_error(error);
}

Result<void> check_place(const Place& place) {
  if (place.exists() && !place.is_open &&
      faccessat(place.folder.get(), place.name.c_str(), W_OK, AT_EACCESS) != 0)
    return file_error(errno);
  if (is_special(place))
    return {};
  if (faccessat(place.folder.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
    return file_error(errno);
  return {};
}

} // namespace

std::string output_name(const std::string& path) {
  return is_stdout(path) ? "standard output" : path;
}

Error output_error(const std::string& path, int error) {
  return cannot_write(path, file_error(error));
}

Result<void> check_output(const std::string& path) {
  if (is_stdout(path))
    return {};
  const auto place = find_place(path);
  if (!place)
    return cannot_write(path, place.error());
  const auto good = check_place(*place);
  return good ? good : cannot_write(path, good.error());
}

Result<void> write_output(const std::string& path, const std::string& data) {
  if (is_stdout(path)) {
    const int error = write_all(STDOUT_FILENO, data);
    return error == 0 ? Result<void>() : output_error(path, error);
  }
  const auto place = find_place(path);
  if (!place)
    return cannot_write(path, place.error());
  const auto written = is_special(*place) ? put_special(*place, data) : put_file(*place, data);
  return written ? written : cannot_write(path, written.error());
}

} // namespace leakbpf
