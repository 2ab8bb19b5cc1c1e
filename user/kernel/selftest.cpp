// SPDX-License-Identifier: Apache-2.0
#include "kernel/selftest.h"

#include "target/proc_fs.h"

#include <unistd.h>

// In assembly, so that no compiler inlines it or starts it with another instruction.
asm(R"(
.text
.p2align 4
.type leakbpf_selftest_function, @function
leakbpf_selftest_function:
    push %rbp
    pop %rbp
    ret
.size leakbpf_selftest_function, . - leakbpf_selftest_function
)");

extern "C" void leakbpf_selftest_function();

namespace leakbpf {

void call_selftest_function() {
  leakbpf_selftest_function();
}

SelftestPlace selftest_place() {
  const auto address = reinterpret_cast<std::uintptr_t>(&leakbpf_selftest_function);
  const auto mappings = ProcFs().mappings(getpid());
  if (mappings)
    for (const Mapping& mapping : *mappings)
      if (address >= mapping.start && address < mapping.end)
        return {"/proc/self/exe", address - mapping.start + mapping.offset};
  return {};
}

} // namespace leakbpf
