// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"
#include "cli/commands.h"

#include <fmt/format.h>

namespace leakbpf {

void Console::warn(const std::string& text) const {
  messages_.write(fmt::format("leakbpf: warning: {}\n", escape_controls(text)));
}

void Console::inform(const std::string& text) const {
  if (!quiet_)
    messages_.write(fmt::format("leakbpf: {}\n", escape_controls(text)));
}

void Console::detail(const std::string& text) const {
  if (verbose_)
    messages_.write(fmt::format("leakbpf: {}\n", escape_controls(text)));
}

} // namespace leakbpf
