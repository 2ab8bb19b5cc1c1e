// SPDX-License-Identifier: Apache-2.0
// Another process's memory, read while it runs: what is read may change underneath, or be gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <sys/types.h>

namespace leakbpf {

/// Tests put fakes in its place.
class ProcessMemory {
public:
  ProcessMemory() = default;
  ProcessMemory(const ProcessMemory&) = delete;
  ProcessMemory& operator=(const ProcessMemory&) = delete;
  virtual ~ProcessMemory() = default;

  /// All of `size` bytes from `address`, or false.
  [[nodiscard]] virtual bool read(std::uint64_t address, void* to, std::size_t size) const = 0;

  template <class T> [[nodiscard]] std::optional<T> get(std::uint64_t address) const {
    T value{};
    if (!read(address, &value, sizeof(value)))
      return std::nullopt;
    return value;
  }
};

/// By process_vm_readv: the process is not stopped, nothing is written.
class LiveMemory : public ProcessMemory {
public:
  explicit LiveMemory(pid_t pid) : pid_(pid) {}
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override;

private:
  pid_t pid_;
};

} // namespace leakbpf
