// SPDX-License-Identifier: Apache-2.0
// The ways in which a kernel can attach BPF programs to user-space functions.
#pragma once

#include <optional>
#include <string_view>

namespace leakbpf {

enum class Backend {
  session, ///< uprobe session (Linux 6.13): one link per program; an entry may skip its return
  multi,   ///< uprobe multi (6.6): one link per program, any number of offsets
  perf,    ///< perf event uprobes: a link for each probe; any kernel
};

[[nodiscard]] constexpr std::string_view backend_name(Backend backend) {
  switch (backend) {
  case Backend::session:
    return "session";
  case Backend::multi:
    return "multi";
  case Backend::perf:
    return "perf";
  }
  return "";
}

[[nodiscard]] constexpr std::optional<Backend> parse_backend(std::string_view name) {
  for (const Backend backend : {Backend::session, Backend::multi, Backend::perf})
    if (backend_name(backend) == name)
      return backend;
  return std::nullopt;
}

} // namespace leakbpf
