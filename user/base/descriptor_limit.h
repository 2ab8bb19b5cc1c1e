// SPDX-License-Identifier: Apache-2.0
// How many files this process may have open, and what to say when they are too many.
#pragma once

#include <leakbpf/result.h>

#include <cstddef>

namespace leakbpf {

/// As high as the rights allow. Processes that are started later inherit it.
void raise_descriptor_limit();

/// So few are left that they are to be kept for what is opened for a moment: /proc, the output.
[[nodiscard]] bool are_descriptors_scarce();

/// So many are no more than an eighth of all that may be open: enough for what may never be needed.
[[nodiscard]] bool can_spare_descriptors(std::size_t count);

/// `error` is an errno that says that no file more can be opened.
[[nodiscard]] bool is_descriptor_shortage(int error);

/// "too many open files: the limit is 70 (ulimit -n)", of ExitCode::cannot_trace, for such an
/// errno.
[[nodiscard]] Error descriptor_shortage(int error);

/// The error came of such a shortage.
[[nodiscard]] inline bool is_descriptor_shortage(const Error& error) {
  return is_descriptor_shortage(error.system_error);
}

} // namespace leakbpf
