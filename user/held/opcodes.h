// SPDX-License-Identifier: Apache-2.0
// What the instructions of CPython's bytecode do to its stack, as far as following a container
// through a function needs it; and which of them the interpreter has made for what it met there,
// which it does to code that runs often (PEP 659).
#pragma once

#include "python/layout.h"

#include <array>
#include <cstdint>

namespace leakbpf {

enum class OpcodeKind : std::uint8_t {
  other, ///< what it leaves on top is nothing known
  extended_argument,
  load_constant,
  load_global,
  load_attribute,
  load_method,
  load_local,
  load_cell,
  store_local,
  store_and_load, ///< of two variables, whose numbers are in half of the argument's bits each
  store_two,
  store_item,
  store_attribute,
  store_global,
  add_in_place,
  binary,
  gathers,  ///< arguments, for the call behind it
  pops,     ///< leaves what is below as it was
  shuffles, ///< moves what is there: nothing is known any more
};

struct Opcode {
  std::uint8_t number = 0;
  OpcodeKind kind = OpcodeKind::shuffles;
  std::uint8_t caches = 0;      ///< instructions behind it that are none
  bool specialized = false;     ///< for what was met there
  std::int8_t effect = 0;       ///< on the depth of the stack,
  std::int8_t per_argument = 0; ///< with this for each of its argument,
  std::int8_t per_bit = 0;      ///< and this for the argument's lowest bit

  [[nodiscard]] int effect_of(std::uint32_t argument) const {
    return effect + per_argument * static_cast<int>(argument) +
           per_bit * static_cast<int>(argument & 1);
  }
};

using OpcodeTable = std::array<Opcode, 256>;

/// Of a version from 3.8 to 3.14.
[[nodiscard]] const OpcodeTable& opcodes_of(PythonVersion version);

} // namespace leakbpf
