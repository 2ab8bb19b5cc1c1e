// SPDX-License-Identifier: Apache-2.0
#include "view/terminal_reset.h"

#include <cstdint>

#include <unistd.h>

// Its macros have the names of terminfo's capabilities: they stay in this file.
#include <curses.h>
#include <term.h>

namespace leakbpf {

namespace {

/// Empty: it has none of that name, or nothing is known of it.
std::string capability(const char* name) {
  int error = 0;
  if (setupterm(nullptr, STDOUT_FILENO, &error) != OK)
    return "";
  const char* const found = tigetstr(name);
  return found && reinterpret_cast<std::intptr_t>(found) != -1 ? found : "";
}

} // namespace

std::string terminal_reset() {
  return capability("sgr0") + capability("cnorm") + capability("rmkx") + capability("rmcup");
}

bool has_full_screen() {
  return !capability("cup").empty();
}

} // namespace leakbpf
