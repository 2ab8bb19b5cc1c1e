// SPDX-License-Identifier: Apache-2.0
// A child process that a test talks with over pipes, and never outlives the test.
#pragma once

#include "base/unique_fd.h"

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace leakbpf::e2e {

class Child {
public:
  explicit Child(const std::vector<std::string>& arguments);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// Kills it if it still runs.
  ~Child();

  [[nodiscard]] pid_t pid() const { return pid_; }
  void write_line(const std::string& line);
  /// Next line of standard output or standard error for which `wanted` is true; lines before it are
  /// dropped. Throws when it does not come within `seconds`, with all that came instead.
  std::string wait_for(const std::function<bool(const std::string&)>& wanted, double seconds = 60);
  std::string wait_for_prefix(const std::string& prefix, double seconds = 60);
  void signal(int number) const;
  /// Without waiting for it.
  [[nodiscard]] bool has_ended() const;
  /// Exit status, or 128 + signal. Throws when it does not end within `seconds`.
  int wait_end(double seconds = 60);
  /// All output that was read and not asked for, after the end of the process.
  std::string rest();

private:
  bool read_some(double seconds);

  pid_t pid_ = -1;
  UniqueFd input_;
  UniqueFd output_;
  std::string buffer_;
  std::string seen_;
};

/// A file that is removed with its owner.
class TemporaryFile {
public:
  TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string text() const;

private:
  std::string path_;
};

/// Runs a program to its end: status and output (both streams).
struct Finished {
  int status = 0;
  std::string output;
};
Finished run_program(const std::vector<std::string>& arguments, double seconds = 60);

/// Path of a program of this build: "leakbpf", "tests/programs/ledger".
std::string built(const std::string& name);

/// Back-ends to test: those of LEAKBPF_TEST_BACKENDS (a comma-separated list), else all three.
std::vector<std::string> backends_to_test();

} // namespace leakbpf::e2e
