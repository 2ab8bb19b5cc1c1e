// SPDX-License-Identifier: Apache-2.0
#include "python/python_process.h"

#include "plan/probe_point.h"
#include "python/collector.h"
#include "python/thread_key.h"
#include "unwind/elf_code.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

LibcKind libc_of(std::span<const Mapping> mappings) {
  const bool musl = std::any_of(mappings.begin(), mappings.end(), [](const Mapping& mapping) {
    return mapping.path.find("/ld-musl-") != std::string::npos;
  });
  return musl ? LibcKind::musl : LibcKind::glibc;
}

/// The symbols of every program are looked at, whatever it is called, and of libraries named so.
bool may_be_interpreter(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.find("python") != std::string::npos || name.find(".so") == std::string::npos;
}

/// What is added to the file's virtual addresses in this process.
std::optional<std::uint64_t> bias_of(const ElfFile& file, const MappedFile& mapped,
                                     std::span<const Mapping> mappings) {
  for (const Mapping& mapping : mappings) {
    if (!mapping.executable || mapping.inode != mapped.inode || mapping.device != mapped.device)
      continue;
    const std::uint64_t address = file.address_of(mapping.offset);
    if (address != ~std::uint64_t{0})
      return mapping.start - address;
  }
  return std::nullopt;
}

/// As an allocator of one function, so that it is probed like any other.
void take_pool_function(PythonSearch& search, const ElfFile& file, PoolFunction found,
                        const MappedFile& mapped) {
  const auto offset = file_offset_of(file, found.address);
  if (!offset)
    return;
  search.pool_bytes = found.pool_bytes;
  const AllocationFunction& function = python_pool_function(found.pool_bytes);
  search.pools = Allocator{mapped, {}, false, {}};
  search.pools->functions.push_back(
      {&function, std::string(function.name), *offset, std::move(found.code)});
}

/// A place to probe in a function of which rdi matters and [rsp] is the return address.
std::optional<std::uint64_t> probe_offset(const ElfFile& file, const CodeBlock& function) {
  const auto offset = file_offset_of(file, function.address);
  if (!offset)
    return std::nullopt;
  return *offset + plan_probe_point(function.code, *offset, ProbeNeed{0b1, true, false}).offset;
}

/// PyCode_Type.tp_dealloc, as the process has it.
std::optional<std::uint64_t> find_code_dealloc(const ElfFile& file,
                                               const InterpreterFile& interpreter,
                                               std::uint64_t bias, const ProcessMemory& memory) {
  constexpr std::uint64_t dealloc_slot = 48; // of PyTypeObject
  constexpr std::uint64_t most_code = 512;
  if (interpreter.code_type == 0)
    return std::nullopt;
  const auto function = memory.get<std::uint64_t>(bias + interpreter.code_type + dealloc_slot);
  return function ? probe_offset(file, code_at(file, *function - bias, most_code)) : std::nullopt;
}

PythonSearch look_at(const ElfFile& file, const InterpreterFile& found, std::uint64_t bias,
                     pid_t pid, std::span<const Mapping> mappings, const MappedFile& mapped) {
  PythonSearch search;
  search.version = found.version;
  const LiveMemory memory(pid);
  auto layout = python_layout(found.version);
  if (!layout) {
    search.problem = layout.error().message;
    return search;
  }
  if (auto pools = find_pool_function(file, found, bias, memory)) {
    search.arenas = find_arena_list(found.version, *pools, bias);
    take_pool_function(search, file, std::move(*pools), mapped);
  }
  if (const auto collector = find_collector(file, found))
    search.collector_offset = probe_offset(file, *collector);
  search.code_dealloc_offset = find_code_dealloc(file, found, bias, memory);
  search.interpreter = mapped;
  const auto place =
      find_thread_key(found.thread_state.code, bias + found.thread_state.address, memory);
  if (!place) {
    search.problem = "the code that finds a thread's state is of an unknown form";
    return search;
  }
  const auto key = read_thread_key(*place, memory);
  if (!key)
    return search; // not initialised yet
  if (found.version >= PythonVersion{3, 13}) {
    if (auto known = apply_debug_offsets(memory, bias + found.runtime, *layout); !known) {
      search.problem = known.error().message;
      return search;
    }
  }
  layout->walk.current_state = current_state_address(*place, found.version);
  set_thread_place(libc_of(mappings), *key, layout->walk);
  search.process = PythonProcess{*layout, bias + found.runtime};
  return search;
}

} // namespace

PythonSearch find_python(const ProcFs& proc, pid_t pid, std::span<const Mapping> mappings) {
  PythonSearch none;
  for (const MappedFile& mapped : executable_files(proc, pid, mappings)) {
    if (!may_be_interpreter(mapped.path))
      continue;
    auto opened = open_mapped_file(proc, mapped);
    if (!opened)
      continue;
    const auto file = ElfFile::take(*std::move(opened), mapped.path);
    if (!file)
      continue;
    const auto found = find_interpreter(*file);
    const auto bias = found ? bias_of(*file, mapped, mappings) : std::nullopt;
    if (bias)
      return look_at(*file, *found, *bias, pid, mappings, mapped);
    const std::string name = mapped.path.substr(mapped.path.rfind('/') + 1);
    if (name.starts_with("python") || name.starts_with("libpython")) {
      none.only_named = true;
      none.problem = name + " is no Python that is understood: only 3.8 to 3.14 are";
    }
  }
  return none;
}

} // namespace leakbpf
