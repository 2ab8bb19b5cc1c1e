// SPDX-License-Identifier: Apache-2.0
// What a code object puts into a container, by following its instructions.
#pragma once

#include "held/object_reader.h"
#include "held/opcodes.h"
#include "held/store_target.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace leakbpf {

struct FoundStore {
  std::uint32_t instruction = 0; ///< bytes into the bytecode
  std::string how;               ///< "append", "[] =", "+="
  bool hot = false;              ///< the interpreter has specialised it
};

/// Of a code object, by address.
struct CodeNames {
  std::span<const std::uint64_t> names; ///< of globals and attributes
  std::span<const std::uint64_t> locals;
  std::span<const std::uint64_t> cells;
  std::span<const std::uint64_t> constants;
};

/// Its instructions are followed in the order in which they stand.
[[nodiscard]] std::vector<FoundStore> find_stores(const ObjectReader& reader,
                                                  const OpcodeTable& opcodes,
                                                  const StoreTarget& target, const CodeNames& names,
                                                  std::span<const std::uint8_t> code);

} // namespace leakbpf
