// SPDX-License-Identifier: Apache-2.0
// A /proc of a test's own.
#pragma once

#include "target/proc_fs.h"
#include "temporary_directory.h"

#include <filesystem>
#include <string>

namespace leakbpf {

inline constexpr pid_t fake_pid = 4242;

class FakeProc {
public:
  /// Adds a process that can be traced: a 64-bit program, its own thread group.
  void add_process(pid_t pid, const std::string& comm = "worker") {
    write(pid, "stat", stat_line(pid, comm));
    write(pid, "status", "Name:\t" + comm + "\nTgid:\t" + std::to_string(pid) + "\nPid:\t7\n");
    write(pid, "cmdline",
          std::string("/usr/bin/worker\0--jobs\0"
                      "4\0",
                      25));
    write(pid, "cgroup", "0::/system.slice/worker.service\n");
    write(pid, "exe", elf_header('\2'));
  }
  void write(pid_t pid, const std::string& file, const std::string& text) const {
    std::filesystem::create_directories(folder / std::to_string(pid));
    write_text(path(pid, file), text);
  }
  [[nodiscard]] std::string path(pid_t pid, const std::string& file) const {
    return folder / (std::to_string(pid) + "/" + file);
  }
  [[nodiscard]] ProcFs fs() const { return ProcFs(folder.path()); }

  /// As the kernel writes it, with state S, parent 17, 250 + 50 ticks used, started at tick 12345.
  static std::string stat_line(pid_t pid, const std::string& comm, char state = 'S',
                               const std::string& flags = "4194560", int threads = 8) {
    return std::to_string(pid) + " (" + comm + ") " + state + " 17 42 42 0 -1 " + flags +
           " 900 0 3 0 250 50 0 0 20 0 " + std::to_string(threads) +
           " 0 12345 123456789 4321 18446744073709551615 1 1 140721000000000 0\n";
  }
  /// The first bytes of an ELF file of class 1 (32 bits) or 2 (64 bits).
  static std::string elf_header(char elf_class) {
    return std::string("\177ELF") + elf_class + std::string("\1\1\0\0\0\0\0\0\0\0\0", 11);
  }

  TemporaryDirectory folder;
};

} // namespace leakbpf
