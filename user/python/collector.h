// SPDX-License-Identifier: Apache-2.0
// The function in which CPython's cyclic garbage collector does its work while the program waits.
#pragma once

#include "python/interpreter_file.h"

#include <optional>

namespace leakbpf {

/// gc_collect_main of Modules/gcmodule.c (Python/gc.c from 3.13 on): by its symbol, else by the
/// interpreter's own marks for tracers (SystemTap's SDT notes, in builds with --with-dtrace), which
/// stand in it. Nothing without either.
[[nodiscard]] std::optional<CodeBlock> find_collector(const ElfFile& file,
                                                      const InterpreterFile& interpreter);

} // namespace leakbpf
