// SPDX-License-Identifier: Apache-2.0
// A file that has no name before it is whole, where the file system can do that: whoever ends the
// process before leaves nothing behind.
#pragma once

#include "base/unique_fd.h"

#include <string>

#include <sys/types.h>

namespace leakbpf {

class NewFile {
public:
  /// Readable and writable for its owner only, as far as the umask allows. It has to be removed
  /// before `folder` is closed.
  explicit NewFile(int folder);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  /// Without a name it goes.
  ~NewFile();

  /// -1: it could not be made; errno says why.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Gives it `name`, which nothing has yet. Each of these returns 0 or an error number.
  [[nodiscard]] int take_name(const std::string& name);
  /// Gives it `name`, whatever had it.
  [[nodiscard]] int replace(const std::string& name);

private:
  [[nodiscard]] int link_as(const std::string& name) const;
  void make_named();

  int folder_;
  UniqueFd fd_;
  std::string temporary_; ///< the name that it has meanwhile; empty: none
};

} // namespace leakbpf
