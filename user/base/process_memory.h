// SPDX-License-Identifier: Apache-2.0
// Another process's memory, read while it runs: what is read may change underneath, or be gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

/// Tests put fakes in its place.
class ProcessMemory {
public:
  ProcessMemory() = default;
  ProcessMemory(const ProcessMemory&) = delete;
  ProcessMemory& operator=(const ProcessMemory&) = delete;
  virtual ~ProcessMemory() = default;

  /// Somewhere in the process; a multiple of eight bytes.
  struct Piece {
    std::uint64_t address = 0;
    std::size_t bytes = 0;
  };

  /// All of `size` bytes from `address`, or false.
  [[nodiscard]] virtual bool read(std::uint64_t address, void* to, std::size_t size) const = 0;
  /// Pieces one after the other into `words`, which is resized to hold all of them; stops at the
  /// first that cannot be read. Returns how many were read.
  [[nodiscard]] virtual std::size_t read_pieces(std::span<const Piece> pieces,
                                                std::vector<std::uint64_t>& words) const;

  template <class T> [[nodiscard]] std::optional<T> get(std::uint64_t address) const {
    T value{};
    if (!read(address, &value, sizeof(value)))
      return std::nullopt;
    return value;
  }
};

/// What is read at once when much is: larger pieces are slower, for the kernel copies 16 pages at a
/// time from its stack.
inline constexpr std::uint64_t fast_read_bytes = 64 << 10;

/// By process_vm_readv: the process is not stopped, nothing is written.
class LiveMemory : public ProcessMemory {
public:
  explicit LiveMemory(pid_t pid) : pid_(pid) {}
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override;
  /// With one system call for up to 1,024 pieces.
  [[nodiscard]] std::size_t read_pieces(std::span<const Piece> pieces,
                                        std::vector<std::uint64_t>& words) const override;

private:
  pid_t pid_;
};

} // namespace leakbpf
