// SPDX-License-Identifier: Apache-2.0
#include "base/path_walk.h"

#include "base/regular_file.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

namespace leakbpf {

namespace {

constexpr int most_links = 40; // as the kernel

/// What others put there may have been put there for us to fall into.
bool is_shared(const struct stat& folder) {
  return (folder.st_mode & S_ISVTX) != 0 && (folder.st_mode & S_IWOTH) != 0;
}

bool is_trusted(const struct stat& folder, const struct stat& entry) {
  return !is_shared(folder) || entry.st_uid == geteuid() || entry.st_uid == folder.st_uid;
}

bool is_in_proc(int folder) {
  struct statfs info {};
  return fstatfs(folder, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

std::string link_text(int link) {
  std::string text(PATH_MAX, '\0');
  const ssize_t length = readlinkat(link, "", text.data(), text.size());
  text.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return text;
}

class Walk {
public:
  Result<Place> run(const std::string& path);

private:
  Result<void> start_at(const std::string& path);
  Result<void> enter(const std::string& name);
  Result<void> follow(const std::string& name, UniqueFd link, const struct stat& folder);

  UniqueFd folder_;
  std::deque<std::string> left_; ///< names that are still to be walked along
  int links_ = 0;
  Place found_;
  bool ended_ = false;
};

/// Puts the names of `path` before those that are left.
Result<void> Walk::start_at(const std::string& path) {
  if (path.empty())
    return file_error(ENOENT);
  if (path.front() == '/' || !folder_) {
    folder_ = UniqueFd(open(path.front() == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder_)
      return file_error(errno);
  }
  std::deque<std::string> names;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    // Nothing behind the last slash: what stands before it has to be a folder.
    if (end > at || (end == path.size() && left_.empty()))
      names.push_back(end > at ? path.substr(at, end - at) : ".");
    at = end + 1;
  }
  left_.insert(left_.begin(), names.begin(), names.end());
  return {};
}

Result<void> Walk::follow(const std::string& name, UniqueFd link, const struct stat& folder) {
  struct stat info {};
  if (fstat(link.get(), &info) != 0)
    return file_error(errno);
  if (++links_ > most_links)
    return file_error(ELOOP);
  if (!is_trusted(folder, info))
    return Error{ExitCode::io,
                 fmt::format("{} on the way is a link of user {}, in a folder that everybody may "
                             "write to",
                             name, info.st_uid),
                 "remove it, or name another file"};
  if (!is_in_proc(folder_.get()))
    return start_at(link_text(link.get()));
  // The text of such a link need not be a path: only the kernel knows where it leads.
  UniqueFd target(openat(folder_.get(), name.c_str(), O_PATH | O_CLOEXEC));
  if (!target || fstat(target.get(), &found_.info) != 0)
    return file_error(errno);
  if (S_ISDIR(found_.info.st_mode)) {
    folder_ = std::move(target);
    return {};
  }
  if (!left_.empty())
    return file_error(ENOTDIR);
  found_.file = std::move(target);
  found_.is_open = true;
  ended_ = true;
  return {};
}

Result<void> Walk::enter(const std::string& name) {
  const bool last = left_.empty();
  struct stat folder {};
  if (fstat(folder_.get(), &folder) != 0)
    return file_error(errno);
  UniqueFd entry(openat(folder_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  found_.name = name;
  if (!entry) {
    ended_ = last && errno == ENOENT;
    return ended_ ? Result<void>() : file_error(errno);
  }
  struct stat info {};
  if (fstat(entry.get(), &info) != 0)
    return file_error(errno);
  if (S_ISLNK(info.st_mode))
    return follow(name, std::move(entry), folder);
  if (S_ISDIR(info.st_mode)) {
    folder_ = std::move(entry);
    return {};
  }
  if (!last)
    return file_error(ENOTDIR);
  if (!is_trusted(folder, info))
    return Error{
        ExitCode::io,
        fmt::format("it belongs to user {}, in a folder that everybody may write to", info.st_uid),
        "remove it, or name another file"};
  found_.info = info;
  found_.file = std::move(entry);
  ended_ = true;
  return {};
}

Result<Place> Walk::run(const std::string& path) {
  if (auto started = start_at(path); !started)
    return started.error();
  while (!ended_ && !left_.empty()) {
    const std::string name = std::move(left_.front());
    left_.pop_front();
    if (auto entered = enter(name); !entered)
      return entered.error();
  }
  if (!ended_)
    return file_error(EISDIR);
  found_.folder = std::move(folder_);
  return std::move(found_);
}

} // namespace

Result<Place> find_place(const std::string& path) {
  return Walk().run(path);
}

Error file_error(int number) {
  switch (number) {
  case EBADF:
    return {ExitCode::io, "it is closed", ""};
  case EPIPE:
    return {ExitCode::io, "its reader has gone", ""};
  case EFBIG:
    return {ExitCode::io, "it would be larger than the limit on file sizes",
            "`ulimit -f` shows the limit and sets it"};
  case ENOSPC:
  case EDQUOT:
    return {ExitCode::io, std::strerror(number), "the disk is full; -o names another place"};
  case EINVAL:
    return {ExitCode::io, "it cannot be written to in this way", ""};
  default:
    return {ExitCode::io, std::strerror(number), ""};
  }
}

UniqueFd open_found(const Place& place, int flags) {
  return UniqueFd(open(descriptor_path(place.file).c_str(), flags | O_CLOEXEC | O_NOCTTY));
}

} // namespace leakbpf
