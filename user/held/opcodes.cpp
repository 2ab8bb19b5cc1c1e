// SPDX-License-Identifier: Apache-2.0
#include "held/opcodes.h"

#include <algorithm>
#include <vector>

namespace leakbpf {

namespace {

constexpr std::uint32_t first_minor = 8;
constexpr std::size_t versions = 7;

OpcodeTable table_of(const std::vector<Opcode>& opcodes) {
  OpcodeTable table{};
  for (const Opcode& each : opcodes)
    table.at(each.number) = each;
  return table;
}

std::array<OpcodeTable, versions> make_tables() {
  const std::array<std::vector<Opcode>, versions> told{{
#include "held/opcode_tables.inc"
  }};
  std::array<OpcodeTable, versions> tables;
  std::transform(told.begin(), told.end(), tables.begin(), table_of);
  return tables;
}

} // namespace

const OpcodeTable& opcodes_of(PythonVersion version) {
  static const std::array<OpcodeTable, versions> tables = make_tables();
  return tables.at(std::clamp(version.minor, first_minor, first_minor + 6) - first_minor);
}

} // namespace leakbpf
