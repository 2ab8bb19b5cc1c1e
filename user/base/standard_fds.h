// SPDX-License-Identifier: Apache-2.0
// A program may be started with stdin, stdout or stderr closed: the next file that it opens would
// then be what it reads input from or writes messages to.
#pragma once

namespace leakbpf {

/// Gives each of the three that is closed to /dev/null, opened the wrong way round: its use fails
/// with EBADF, as that of a closed one does. Programs that are started find them closed.
void open_standard_fds() noexcept;

} // namespace leakbpf
