// SPDX-License-Identifier: Apache-2.0
#include "base/new_file.h"

#include "base/regular_file.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>

namespace leakbpf {

namespace {

constexpr mode_t owner_only = 0600;
constexpr int most_tries = 100;

std::string random_name() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof(number), 0) != sizeof(number))
    number = static_cast<std::uint64_t>(getpid());
  return fmt::format(".leakbpf-{:016x}", number);
}

/// The file system cannot make a file without a name.
bool needs_name(int error) {
  return error == EOPNOTSUPP || error == EISDIR || error == ENOENT || error == EINVAL;
}

} // namespace

NewFile::NewFile(int folder)
    : folder_(folder), fd_(openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, owner_only)) {
  if (!fd_ && needs_name(errno))
    make_named();
}

void NewFile::make_named() {
  for (int i = 0; i < most_tries && !fd_; i++) {
    const std::string name = random_name();
    fd_ = UniqueFd(
        openat(folder_, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, owner_only));
    if (fd_)
      temporary_ = name;
    else if (errno != EEXIST)
      return;
  }
}

NewFile::~NewFile() {
  if (!temporary_.empty())
    unlinkat(folder_, temporary_.c_str(), 0);
}

int NewFile::link_as(const std::string& name) const {
  const std::string self = descriptor_path(fd_);
  return linkat(AT_FDCWD, self.c_str(), folder_, name.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int NewFile::take_name(const std::string& name) {
  if (temporary_.empty())
    return link_as(name);
  // Not every file system that needs a name can refuse to replace another file.
  if (renameat2(folder_, temporary_.c_str(), folder_, name.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno != EINVAL && errno != ENOSYS)
      return errno;
    return replace(name);
  }
  temporary_.clear();
  return 0;
}

int NewFile::replace(const std::string& name) {
  // A name can only be replaced by another name, so it has one for this moment.
  for (int i = 0; i < most_tries && temporary_.empty(); i++) {
    const std::string temporary = random_name();
    const int error = link_as(temporary);
    if (error == 0)
      temporary_ = temporary;
    else if (error != EEXIST)
      return error;
  }
  if (renameat(folder_, temporary_.c_str(), folder_, name.c_str()) != 0)
    return errno;
  temporary_.clear();
  return 0;
}

} // namespace leakbpf
