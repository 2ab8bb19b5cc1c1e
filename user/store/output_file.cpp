// SPDX-License-Identifier: Apache-2.0
#include "store/output_file.h"

#include "kernel/unique_fd.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace leakbpf {

namespace {

bool is_stdout(const std::string& path) {
  return path.empty() || path == "-";
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Error output_error(const std::string& path, int error) {
  return Error{ExitCode::io, fmt::format("cannot write {}: {}", path, std::strerror(error)),
               error == ENOSPC || error == EDQUOT ? "the disk is full; -o names another place"
                                                  : ""};
}

bool write_all(int fd, const std::string& data) {
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t wrote = write(fd, data.data() + done, data.size() - done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0)
      return false;
    done += static_cast<std::size_t>(wrote);
  }
  return true;
}

/// A pipe, a terminal, a device: there is no way to replace it whole.
bool is_special(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

mode_t default_mode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

/// The path that symbolic links at `path` lead to, whether or not a file is there yet: a link stays
/// one, and what it names is replaced.
std::string behind_links(std::filesystem::path path) {
  constexpr int most_links = 40; // as the kernel
  std::error_code error;
  for (int i = 0; i < most_links && std::filesystem::is_symlink(path, error); i++)
    path = path.parent_path() / std::filesystem::read_symlink(path, error);
  return path.string();
}

enum class Durable : bool { no, yes };

Result<void> replace_file(const std::string& path, const std::string& data, mode_t mode,
                          Durable durable) {
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd)
    return output_error(path, errno);
  const bool written = write_all(fd.get(), data) && fchmod(fd.get(), mode) == 0 &&
                       (durable == Durable::no || fsync(fd.get()) == 0) &&
                       rename(temporary.c_str(), path.c_str()) == 0;
  if (written)
    return {};
  const int error = errno;
  unlink(temporary.c_str());
  return output_error(path, error);
}

} // namespace

Result<void> check_output(const std::string& path) {
  if (is_stdout(path))
    return {};
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode))
      return output_error(path, EISDIR);
    if (access(path.c_str(), W_OK) != 0)
      return output_error(path, errno);
  }
  if (!is_special(path) && access(folder_of(path).c_str(), W_OK | X_OK) != 0)
    return output_error(path, errno);
  return {};
}

Result<void> write_output(const std::string& path, const std::string& data) {
  if (is_stdout(path)) {
    if (!write_all(STDOUT_FILENO, data))
      return output_error("standard output", errno);
    return {};
  }
  if (!is_special(path)) {
    return replace_file(behind_links(path), data, default_mode(), Durable::yes);
  }
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || !write_all(fd.get(), data))
    return output_error(path, errno);
  return {};
}

Result<void> write_private(const std::string& path, const std::string& data) {
  constexpr mode_t owner_only = 0600;
  return replace_file(path, data, owner_only, Durable::no);
}

} // namespace leakbpf
