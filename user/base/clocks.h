// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>

namespace leakbpf {

/// Seconds of a CPU that this thread has had. Unlike those of a clock they do not grow when others
/// want the CPUs.
[[nodiscard]] inline double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

/// Nanoseconds of the clock that BPF programs read (bpf_ktime_get_ns).
[[nodiscard]] inline std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

/// Nanoseconds since `time_ns`; 0 where that is to come.
[[nodiscard]] inline std::uint64_t age_at(std::uint64_t now_ns, std::uint64_t time_ns) {
  return now_ns > time_ns ? now_ns - time_ns : 0;
}

} // namespace leakbpf
