// SPDX-License-Identifier: Apache-2.0
// Which frame of a stack a person would open first.
#pragma once

#include "core/common_paths.h"
#include "core/frame_text.h"
#include "core/report.h"

#include <cstddef>
#include <vector>

namespace leakbpf {

/// Index of the frame that tells most of why blocks are taken here: the innermost of the
/// application's own files that is not the allocator, a wrapper of it or a language runtime. Then,
/// in this order: one of its files without a name, one of a library (there the outermost, which the
/// application called), the program's start, the innermost named frame; 0 when none has a name. In
/// a stack with Python frames only these count: of the application's own files, of a package, of
/// the standard library. Frames that blocks which come and go reach by the same way are left out,
/// as far as there are others.
[[nodiscard]] std::size_t find_culprit(const Frames& frames, const CommonPaths& common = {});

/// Indices of the application's frames that the culprit was called by, the nearest first: three at
/// most, each function once.
[[nodiscard]] std::vector<std::size_t> find_callers(const Frames& frames, std::size_t culprit);

/// Those of all rows, by contrast between them.
void find_culprits(Report& report);

/// A frame that starts a program or a module, and has no meaning of its own.
[[nodiscard]] bool only_starts(const Frame& frame);

/// The stack has a Python frame.
[[nodiscard]] bool has_python(const Frames& frames);

/// The frame is of the application's own code: neither the allocator's, nor a language runtime's,
/// nor the standard library's, nor of a Python package.
[[nodiscard]] bool is_application(const Frame& frame);

} // namespace leakbpf
