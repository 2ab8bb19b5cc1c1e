// SPDX-License-Identifier: Apache-2.0
// Where CPython keeps what in its objects: what reading a heap from outside needs, for 3.8 to 3.14
// with the interpreter's lock. Offsets in bytes, from offsetof over each version's own headers
// (Include/cpython, Include/internal).
#pragma once

#include "base/process_memory.h"
#include "python/layout.h"

#include <cstdint>

namespace leakbpf {

/// The same in all of these versions.
namespace object_at {
inline constexpr std::uint32_t reference_count = 0;
inline constexpr std::uint32_t type = 8;
inline constexpr std::uint32_t size = 16; ///< PyVarObject: ob_size
// PyTypeObject
inline constexpr std::uint32_t type_name = 24;
inline constexpr std::uint32_t type_basic_size = 32;
inline constexpr std::uint32_t type_item_size = 40;
inline constexpr std::uint32_t type_flags = 168;
inline constexpr std::uint32_t type_members = 240;
inline constexpr std::uint32_t type_base = 256;
inline constexpr std::uint32_t type_dict = 264;
inline constexpr std::uint32_t type_dict_offset = 288;
inline constexpr std::uint32_t type_subclasses = 360; ///< of heap types a dict of weak references
// dict, list, tuple, set, deque, bytearray, cell, module, method
inline constexpr std::uint32_t dict_used = 16;
inline constexpr std::uint32_t dict_keys = 32;
inline constexpr std::uint32_t dict_values = 40;
inline constexpr std::uint32_t list_items = 24;
inline constexpr std::uint32_t set_used = 24;
inline constexpr std::uint32_t set_mask = 32;
inline constexpr std::uint32_t set_table = 40;
inline constexpr std::uint32_t deque_left_block = 24;
inline constexpr std::uint32_t deque_left_index = 40;
inline constexpr std::uint32_t cell_contents = 16;
inline constexpr std::uint32_t module_dict = 16;
inline constexpr std::uint32_t method_function = 16;
inline constexpr std::uint32_t method_self = 24;
} // namespace object_at

/// Bits of tp_flags.
namespace type_flag {
inline constexpr std::uint64_t inline_values = 1ULL << 2; ///< from 3.13 on
inline constexpr std::uint64_t managed_weakref = 1ULL << 3;
inline constexpr std::uint64_t managed_dict = 1ULL << 4;
inline constexpr std::uint64_t heap_type = 1ULL << 9;
inline constexpr std::uint64_t ready = 1ULL << 12;
inline constexpr std::uint64_t collected = 1ULL << 14; ///< objects have a header for the collector
inline constexpr std::uint64_t int_subclass = 1ULL << 24;
inline constexpr std::uint64_t list_subclass = 1ULL << 25;
inline constexpr std::uint64_t tuple_subclass = 1ULL << 26;
inline constexpr std::uint64_t bytes_subclass = 1ULL << 27;
inline constexpr std::uint64_t str_subclass = 1ULL << 28;
inline constexpr std::uint64_t dict_subclass = 1ULL << 29;
inline constexpr std::uint64_t exception_subclass = 1ULL << 30;
inline constexpr std::uint64_t type_subclass = 1ULL << 31;
} // namespace type_flag

/// What differs.
struct ObjectLayout {
  PythonVersion version;
  std::uint32_t pool_bytes = 16 << 10; ///< of each pool, which is aligned to it
  bool short_reference_count = false;  ///< only the lower 32 bits count (3.12 on)
  // The way to the modules and the threads.
  std::uint32_t runtime_interpreters = 0;
  std::uint32_t interpreter_next = 0;
  std::uint32_t interpreter_threads = 0;
  std::uint32_t interpreter_modules = 0;
  std::uint32_t collector = 0; ///< struct _gc_runtime_state: of the interpreter, up to 3.8 of all
  // PyFunctionObject
  std::uint32_t function_code = 0;
  std::uint32_t function_closure = 0;
  std::uint32_t function_defaults = 0;
  std::uint32_t function_keyword_defaults = 0;
  std::uint32_t function_dict = 0;
  // PyHeapTypeObject: where instances keep attributes
  std::uint32_t cached_keys = 0;
  std::uint32_t tuple_items = 24; ///< PyTupleObject.ob_item: behind the hash from 3.14 on
  // PyDictKeysObject
  bool logarithmic_keys = false; ///< sizes of a table are powers of two that are kept as exponents
  // PyGenObject and frames
  std::uint32_t generator_frame = 0;
  bool frame_in_generator = false; ///< else a pointer to it
  std::uint32_t frame_locals = 0;
  std::uint32_t frame_code = 0;
  std::uint32_t code_argument_count = 0;
  std::uint32_t code_local_count = 0;
  std::uint32_t code_local_names = 0;
  std::uint32_t code_names = 0;
  std::uint32_t code_constants = 0;
  std::uint64_t local_mask = ~std::uint64_t{0}; ///< of a reference in a frame (3.14: tagged)

  /// Of an object's first word; 0: it is kept for the next object of its kind.
  [[nodiscard]] std::uint64_t reference_count(std::uint64_t word) const {
    return short_reference_count ? word & 0xffffffff : word;
  }
};

/// Fails for versions other than 3.8 to 3.14.
[[nodiscard]] Result<ObjectLayout> object_layout(PythonVersion version);

/// Takes over what the interpreter says of itself (_Py_DebugOffsets, 3.13 on). Fails when there is
/// no such table at `runtime`, and for a free-threaded build, which has no pools.
[[nodiscard]] Result<void> apply_debug_offsets(const ProcessMemory& memory, std::uint64_t runtime,
                                               ObjectLayout& layout);

} // namespace leakbpf
