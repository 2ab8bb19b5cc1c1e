// SPDX-License-Identifier: Apache-2.0
// Turns raw stacks into named frames.
#pragma once

#include "core/frame_namer.h"
#include "core/located_stack.h"
#include "core/report.h"
#include "python/code_names.h"
#include "python/python_process.h"
#include "symbol/address_space.h"
#include "symbol/module.h"
#include "target/mapped_file.h"

#include <leakbpf/abi.h>

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// Opens each mapped file once, whatever process it was found in, and names each place once.
class Namer : public FrameNamer {
public:
  Namer(const ProcFs& proc, DeathCounter deaths) : proc_(proc), python_(std::move(deaths)) {}

  /// Says in which files the frames lie, by what process `pid` has mapped now, and opens these
  /// files while it still shows them, so that names can be found after it has ended. Python's code
  /// objects are read at once, too: `python` is the interpreter of the target `target`.
  [[nodiscard]] LocatedStack locate(pid_t pid, std::uint32_t target, const AddressSpace& space,
                                    const PythonProcess* python, const leakbpf_stack& stack);

  [[nodiscard]] Frames name(const LocatedStack& stack) override;
  /// The target has ended: no stack of it is to be located any more.
  void forget_target(std::uint32_t target) { python_.forget_target(target); }
  /// Names stay; what they were found in is let go of when nothing new was looked up for a while.
  void rest();
  /// To be told before the stacks that were taken before it.
  void python_code_died(std::uint32_t target, const PythonProcess& python,
                        const leakbpf_dead_code& record) {
    python_.code_died(target, python.layout, record);
  }
  /// Of the files that frames were named in, those that were rewritten meanwhile, as their
  /// processes call them.
  [[nodiscard]] std::set<std::string> changed_files() const;
  /// Python code objects that could not be read any more when they were met.
  [[nodiscard]] std::uint64_t unreadable_python() const { return python_.unreadable(); }

  using FileId = std::pair<std::uint64_t, std::uint64_t>; ///< device, inode
  /// The file that the place is in; nothing for Python, and where nothing was mapped.
  [[nodiscard]] std::optional<FileId> file_id(const CodePlace& place) const {
    if (place.module >= files_.size())
      return std::nullopt;
    return files_[place.module].id;
  }

private:
  struct Callee {
    std::uint64_t low = 0;
    FrameRef frame;
  };
  struct OpenedFile {
    FileId id;
    std::string path;               ///< as the target sees it
    std::unique_ptr<Module> module; ///< null: could not be opened
    std::unordered_map<std::uint64_t, Frames> named;
    std::unordered_map<std::uint64_t, std::optional<Callee>> called; ///< before a return address
    std::unordered_map<std::uint64_t, std::optional<std::uint64_t>> lows; ///< by offset
  };

  /// Nothing for a frame that Python itself does not show.
  [[nodiscard]] std::optional<CodePlace> locate_python(pid_t pid, std::uint32_t target,
                                                       const PythonProcess* python,
                                                       std::uint64_t code, std::uint64_t place);
  [[nodiscard]] std::unique_ptr<Module> open_module(const MappedFile& file) const;
  std::uint32_t file_of(pid_t pid, const Mapping& mapping);
  const Frames& frames_at(const CodePlace& place);
  std::optional<std::uint64_t> function_low(const CodePlace& place);
  const std::optional<Callee>& called_before(const CodePlace& place);
  /// The function that `caller` called where `inner` runs now: it has ended in a jump to that, or
  /// to what led there.
  [[nodiscard]] std::optional<FrameRef> tail_caller(const CodePlace& inner,
                                                    const CodePlace& caller);
  FrameRef python_frame(std::uint64_t place);

  const ProcFs& proc_;
  std::map<FileId, std::uint32_t> index_;
  std::vector<OpenedFile> files_;
  PythonNames python_;
  std::unordered_map<std::uint64_t, FrameRef> python_named_; ///< by CodePlace::offset
};

} // namespace leakbpf
