// SPDX-License-Identifier: Apache-2.0
// Any text as /proc/PID/maps.
#include "symbol/address_space.h"

#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  leakbpf::AddressSpace space;
  const auto mappings =
      leakbpf::parse_mappings(std::string(reinterpret_cast<const char*>(data), size)); // NOLINT
  space.update(mappings);
  for (const leakbpf::Mapping& mapping : mappings)
    (void)space.find(mapping.start);
  return 0;
}
