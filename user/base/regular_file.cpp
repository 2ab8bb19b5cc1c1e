// SPDX-License-Identifier: Apache-2.0
#include "base/regular_file.h"

#include "base/descriptor_limit.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace leakbpf {

namespace {

Error open_error(const std::string& path, int error) {
  if (is_descriptor_shortage(error)) {
    Error shortage = descriptor_shortage(error);
    errno = error;
    return shortage;
  }
  const bool refused = error == EACCES || error == EPERM;
  Error failure{ExitCode::cannot_trace,
                fmt::format("cannot open {}: {}", path, std::strerror(error)),
                refused ? "run as root, or add CAP_DAC_READ_SEARCH" : ""};
  errno = error;
  return failure;
}

/// `place` was opened with O_PATH, which does nothing to what is there.
Result<UniqueFd> open_for_reading(const UniqueFd& place, const std::string& name) {
  struct stat info {};
  if (!place || fstat(place.get(), &info) != 0)
    return open_error(name, errno);
  if (!S_ISREG(info.st_mode)) {
    errno = EINVAL;
    return Error{ExitCode::cannot_trace, fmt::format("cannot open {}: not a regular file", name),
                 ""};
  }
  UniqueFd file(open(descriptor_path(place).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file)
    return open_error(name, errno);
  return file;
}

} // namespace

Result<UniqueFd> open_regular(const std::string& path) {
  return open_for_reading(UniqueFd(open(path.c_str(), O_PATH | O_CLOEXEC)), path);
}

namespace {

Result<UniqueFd> open_in(const std::string& root, const std::string& path, std::uint64_t flags) {
  const std::string folder = root.empty() ? "/" : root;
  const UniqueFd top(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top)
    return open_error(folder, errno);
  open_how how{};
  how.flags = flags;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  UniqueFd place(
      static_cast<int>(syscall(SYS_openat2, top.get(), path.c_str(), &how, sizeof(how))));
  if (!place)
    return open_error(path, errno);
  return place;
}

} // namespace

Result<UniqueFd> open_regular_in(const std::string& root, const std::string& path) {
  const auto place = open_in(root, path, O_PATH | O_CLOEXEC);
  return place ? open_for_reading(*place, path) : place.error();
}

Result<UniqueFd> open_folder_in(const std::string& root, const std::string& path) {
  return open_in(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
}

std::string descriptor_path(const UniqueFd& file) {
  return fmt::format("/proc/self/fd/{}", file.get());
}

} // namespace leakbpf
