// SPDX-License-Identifier: Apache-2.0
// Where an interpreter keeps the key under which each thread finds its Python state. It stands in
// no symbol table, so it is read off the code of PyGILState_GetThisThreadState.
#pragma once

#include "python/layout.h"

#include <leakbpf/abi.h>

#include <cstdint>
#include <optional>
#include <span>

namespace leakbpf {

/// What the function hands to the C library's thread-specific storage.
struct ThreadKeyPlace {
  std::uint64_t address = 0;
  bool is_key = false; ///< the key itself lies there; else a Py_tss_t {int initialized, key}
};

/// `code` is the function's, as it lies at `address` in the process. Nothing when it is not
/// understood.
[[nodiscard]] std::optional<ThreadKeyPlace> find_thread_key(std::span<const std::uint8_t> code,
                                                            std::uint64_t address,
                                                            const ProcessMemory& memory);

/// The key, when it is there already: nothing before the interpreter is initialised.
[[nodiscard]] std::optional<std::uint32_t> read_thread_key(const ThreadKeyPlace& place,
                                                           const ProcessMemory& memory);

/// Address of the pointer to the state of the thread that holds the interpreter's lock: it stands
/// before the key (struct _gilstate_runtime_state of Include/internal/pycore_runtime.h). 0
/// from 3.12 on, where the thread's own key is kept up to date.
[[nodiscard]] std::uint64_t current_state_address(const ThreadKeyPlace& place,
                                                  PythonVersion version);

enum class LibcKind { glibc, musl };

/// How pthread_getspecific(key) is computed from the thread pointer, on x86-64: glibc's struct
/// pthread (nptl/descr.h: specific_1stblock, specific), musl's (src/internal/pthread_impl.h: tsd).
void set_thread_place(LibcKind libc, std::uint32_t key, leakbpf_python& walk);

} // namespace leakbpf
