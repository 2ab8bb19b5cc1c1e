// SPDX-License-Identifier: Apache-2.0
// The text of source lines, where the file can be read.
#pragma once

#include "target/proc_fs.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace leakbpf {

class SourceLines {
public:
  explicit SourceLines(const ProcFs& proc) : proc_(proc) {}
  explicit SourceLines(ProcFs&&) = delete; ///< it would be gone at the first question

  /// Line `line` (from 1) of `file` as process `pid` sees it, without the blanks around it, at most
  /// 200 bytes; empty when it cannot be read. A relative path counts from the process's directory.
  [[nodiscard]] std::string text(pid_t pid, const std::string& file, std::uint32_t line);
  /// The same with the blanks before it, tabs as blanks.
  [[nodiscard]] std::string indented(pid_t pid, const std::string& file, std::uint32_t line);

private:
  using Lines = std::vector<std::string>;
  [[nodiscard]] const std::string* find(pid_t pid, const std::string& file, std::uint32_t line);
  [[nodiscard]] Lines read(pid_t pid, const std::string& file) const;

  const ProcFs& proc_;
  std::map<std::pair<pid_t, std::string>, Lines> files_; ///< each is read once
};

} // namespace leakbpf
