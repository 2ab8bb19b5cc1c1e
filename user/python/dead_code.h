// SPDX-License-Identifier: Apache-2.0
// A code object's record, sent by the kernel side when it died, read as if it still lived.
#pragma once

#include "base/process_memory.h"

#include <leakbpf/abi.h>

namespace leakbpf {

class DeadCodeMemory : public ProcessMemory {
public:
  /// `record` outlives it.
  explicit DeadCodeMemory(const leakbpf_dead_code& record) : record_(record) {}
  /// Only what the record holds can be read.
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override;

private:
  const leakbpf_dead_code& record_;
};

} // namespace leakbpf
