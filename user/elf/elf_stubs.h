// SPDX-License-Identifier: Apache-2.0
// The stubs through which a file's code calls functions that the dynamic linker chooses.
#pragma once

#include "elf/elf_file.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

struct ElfStub {
  std::string name;          ///< of the function that it goes to, without version
  std::uint64_t address = 0; ///< where a call of it goes
};

/// The stubs in `file`'s procedure linkage table that go to functions whose name passes `wanted`. A
/// stub may be told more than once, by each of its instructions that a call may go to.
[[nodiscard]] std::vector<ElfStub> find_stubs(const ElfFile& file,
                                              const std::function<bool(std::string_view)>& wanted);

} // namespace leakbpf
