// SPDX-License-Identifier: Apache-2.0
#include "base/own_memory.h"

#include <algorithm>

#include <pthread.h>
#include <sys/resource.h>

namespace leakbpf {

namespace {

// Threads close links, read tables and write output. With the usual 8 MiB for each, sixty of them
// would be most of the limit.
constexpr std::size_t thread_stack_bytes = std::size_t{512} << 10;

} // namespace

std::uint64_t default_own_memory(std::uint64_t available) {
  constexpr std::uint64_t least = std::uint64_t{256} << 20;
  constexpr std::uint64_t most = std::uint64_t{4} << 30;
  return std::clamp(available / 8, least, most);
}

void limit_own_memory(std::uint64_t bytes) {
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) == 0 && bytes < limit.rlim_cur) {
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_DATA, &limit);
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, thread_stack_bytes);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

std::uint64_t own_memory_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_DATA, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

} // namespace leakbpf
