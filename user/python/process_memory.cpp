// SPDX-License-Identifier: Apache-2.0
#include "python/process_memory.h"

#include <sys/uio.h>

namespace leakbpf {

bool LiveMemory::read(std::uint64_t address, void* to, std::size_t size) const {
  const iovec local{to, size};
  const iovec remote{reinterpret_cast<void*>(address), size}; // NOLINT: an address over there
  return process_vm_readv(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

} // namespace leakbpf
