// SPDX-License-Identifier: Apache-2.0
// Files by build ID from debuginfod servers. The library is loaded only when it is wanted.
#pragma once

#include <leakbpf/result.h>

#include <memory>
#include <string>

namespace leakbpf {

class Debuginfod {
public:
  /// Fails (ExitCode::io) without libdebuginfod, or when DEBUGINFOD_URLS names no server.
  [[nodiscard]] static Result<Debuginfod> open();
  Debuginfod(Debuginfod&&) noexcept;
  Debuginfod& operator=(Debuginfod&&) noexcept;
  ~Debuginfod();

  /// Paths in the client's cache; empty: no server has it.
  [[nodiscard]] std::string debug_file(const std::string& build_id) const;
  [[nodiscard]] std::string executable(const std::string& build_id) const;

private:
  struct Impl;
  explicit Debuginfod(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace leakbpf
