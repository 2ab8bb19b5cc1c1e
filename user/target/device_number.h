// SPDX-License-Identifier: Apache-2.0
// The two forms that a device's number has: the kernel's own, and the one with which leakbpf
// compares files.
#pragma once

#include <cstdint>

#include <sys/sysmacros.h>

namespace leakbpf {

inline constexpr unsigned kernel_minor_bits = 20; // MINORBITS, linux/kdev_t.h

/// major << 32 | minor, from what /proc/PID/maps shows.
[[nodiscard]] constexpr std::uint64_t device_number(std::uint64_t major_number,
                                                    std::uint64_t minor_number) {
  return major_number << 32 | minor_number;
}

/// The same from st_dev of stat(2).
[[nodiscard]] inline std::uint64_t device_of_stat(dev_t device) {
  return device_number(major(device), minor(device));
}

/// The same from the kernel's dev_t, as a BPF program reads it.
[[nodiscard]] constexpr std::uint64_t device_of_kernel(std::uint32_t device) {
  return device_number(device >> kernel_minor_bits, device & ((1U << kernel_minor_bits) - 1));
}

/// The kernel's dev_t of what /proc/PID/maps shows.
[[nodiscard]] constexpr std::uint32_t kernel_device(std::uint64_t device) {
  return static_cast<std::uint32_t>((device >> 32) << kernel_minor_bits | (device & 0xffffffff));
}

} // namespace leakbpf
