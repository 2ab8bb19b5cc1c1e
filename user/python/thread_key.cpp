// SPDX-License-Identifier: Apache-2.0
#include "python/thread_key.h"

#include "python/code_follower.h"

namespace leakbpf {

namespace {

constexpr std::uint32_t most_keys = 1024; // PTHREAD_KEYS_MAX of glibc; musl has 128

} // namespace

std::optional<ThreadKeyPlace> find_thread_key(std::span<const std::uint8_t> code,
                                              std::uint64_t address, const ProcessMemory& memory) {
  const auto argument = follow_first_argument(code, address, memory);
  if (!argument)
    return std::nullopt;
  return ThreadKeyPlace{argument->value, argument->what == KnownValue::What::loaded};
}

std::optional<std::uint32_t> read_thread_key(const ThreadKeyPlace& place,
                                             const ProcessMemory& memory) {
  std::uint64_t key_at = place.address;
  if (place.is_key) {
    key_at = place.address;
  } else {
    const auto initialized = memory.get<std::uint32_t>(place.address);
    if (initialized != 1U)
      return std::nullopt;
    key_at += sizeof(std::uint32_t);
  }
  const auto key = memory.get<std::uint32_t>(key_at);
  if (!key || *key >= most_keys)
    return std::nullopt;
  if (place.is_key && memory.get<std::uint32_t>(key_at - sizeof(std::uint32_t)) != 1U)
    return std::nullopt; // the word before it is Py_tss_t's mark
  return key;
}

std::uint64_t current_state_address(const ThreadKeyPlace& place, PythonVersion version) {
  if (version >= PythonVersion{3, 12})
    return 0;
  const std::uint64_t record = place.is_key ? place.address - sizeof(std::uint32_t) : place.address;
  const std::uint64_t between = version.minor == 8 ? 24 : 16; // 3.8 has one pointer more
  return record - between;
}

void set_thread_place(LibcKind libc, std::uint32_t key, leakbpf_python& walk) {
  constexpr std::uint32_t pair = 16; // glibc keeps {sequence, data}
  if (libc == LibcKind::musl) {
    walk.thread_first = 128;
    walk.thread_second = key * 8;
  } else if (key < 32) {
    walk.thread_first = 0x310 + key * pair + 8;
    walk.thread_second = LEAKBPF_PYTHON_NO_OFFSET;
  } else {
    walk.thread_first = 0x510 + 8 * (key / 32);
    walk.thread_second = key % 32 * pair + 8;
  }
}

} // namespace leakbpf
