// SPDX-License-Identifier: Apache-2.0
#include "symbol/namer.h"

#include "base/descriptor_limit.h"
#include "core/stack_end.h"
#include "elf/vdso.h"

#include <utility>

#include <malloc.h>

namespace leakbpf {

namespace {

std::unique_ptr<Module> open_vdso() {
  const auto image = vdso_image();
  auto module = Module::open_image(image.data(), image.size());
  return module ? std::make_unique<Module>(std::move(*module)) : nullptr;
}

/// Of the compiler's, in the place of an indirect call.
bool is_thunk(std::string_view function) {
  return function.starts_with("__x86_indirect_thunk") || function.starts_with("__llvm_retpoline");
}

/// "run.cold", "run [clone .part.0]" of "run".
bool is_part_of(std::string_view name, std::string_view function) {
  return name.starts_with(function) &&
         (name.size() == function.size() || name[function.size()] == '.' ||
          name[function.size()] == ' ');
}

} // namespace

std::unique_ptr<Module> Namer::open_module(const MappedFile& file) const {
  auto opened = open_mapped_file(proc_, file);
  if (!opened)
    return nullptr;
  auto module = Module::take(*std::move(opened), file.path, file.root);
  return module ? std::make_unique<Module>(std::move(*module)) : nullptr;
}

std::uint32_t Namer::file_of(pid_t pid, const Mapping& mapping) {
  const FileId id{mapping.device, mapping.inode};
  const bool vdso = mapping.path == "[vdso]";
  if (mapping.inode == 0 && !vdso)
    return CodePlace::no_module;
  const auto known = index_.find(id);
  if (known != index_.end())
    return known->second;
  OpenedFile opened{{mapping.device, mapping.inode}, mapping.path, nullptr, {}, {}, {}};
  if (vdso) {
    opened.module = open_vdso();
  } else {
    const auto files = executable_files(proc_, pid, std::span(&mapping, 1));
    if (!files.empty() && !are_descriptors_scarce())
      opened.module = open_module(files.front());
  }
  const auto index = static_cast<std::uint32_t>(files_.size());
  files_.push_back(std::move(opened));
  index_.emplace(id, index);
  return index;
}

std::optional<CodePlace> Namer::locate_python(pid_t pid, std::uint32_t target,
                                              const PythonProcess* python, std::uint64_t code,
                                              std::uint64_t place) {
  if (!python)
    return CodePlace{CodePlace::no_module, false, code};
  const std::uint32_t number = python_.code_of(target, LiveMemory(pid), python->layout, code,
                                               LEAKBPF_PYTHON_FRAME_CHECK(place));
  const std::uint32_t instruction = LEAKBPF_PYTHON_FRAME_INSTRUCTION(place);
  if (python_.is_hidden(number, instruction))
    return std::nullopt;
  return CodePlace{CodePlace::python, false, std::uint64_t{number} << 32 | instruction};
}

LocatedStack Namer::locate(pid_t pid, std::uint32_t target, const AddressSpace& space,
                           const PythonProcess* python, const leakbpf_stack& stack) {
  LocatedStack located;
  located.end = static_cast<leakbpf_stack_end>(stack.end);
  located.places.reserve(stack.depth); // there are thousands of stacks, and they are kept
  for (std::uint32_t i = 0; i < stack.depth; i++) {
    if ((stack.pc[i] & LEAKBPF_PC_PYTHON) != 0) {
      i++;
      const auto place = i < stack.depth
                             ? locate_python(pid, target, python,
                                             stack.pc[i - 1] & ~LEAKBPF_PC_PYTHON, stack.pc[i])
                             : std::nullopt;
      if (place)
        located.places.push_back(*place);
      continue;
    }
    const std::uint64_t pc = stack.pc[i] & ~LEAKBPF_PC_EXACT;
    CodePlace& place = located.places.emplace_back();
    place.is_return = (stack.pc[i] & LEAKBPF_PC_EXACT) == 0;
    place.offset = pc;
    const Mapping* mapping = space.find(pc);
    if (!mapping)
      continue;
    place.module = file_of(pid, *mapping);
    if (place.module != CodePlace::no_module)
      place.offset = pc - mapping->start + mapping->offset;
  }
  return located;
}

const Frames& Namer::frames_at(const CodePlace& place) {
  OpenedFile& file = files_.at(place.module);
  const std::uint64_t key = place.offset << 1 | (place.is_return ? 1 : 0);
  const auto known = file.named.find(key);
  if (known != file.named.end())
    return known->second;
  Frame unnamed;
  unnamed.module = file.path;
  unnamed.offset = place.offset;
  Frames frames;
  if (file.module) {
    unnamed.build_id = file.module->build_id();
    for (SourceFrame& source : file.module->resolve(place.offset, place.is_return)) {
      Frame frame = unnamed;
      frame.function = std::move(source.function);
      frame.file = std::move(source.file);
      frame.line = source.line;
      frame.inlined = source.inlined;
      frames.emplace_back(std::move(frame));
    }
  }
  if (frames.empty())
    frames.emplace_back(std::move(unnamed));
  return file.named.emplace(key, std::move(frames)).first->second;
}

/// Where the function begins that the place is in.
std::optional<std::uint64_t> Namer::function_low(const CodePlace& place) {
  OpenedFile& file = files_[place.module];
  const std::uint64_t offset = place.offset - (place.is_return ? 1 : 0);
  if (const auto known = file.lows.find(offset); known != file.lows.end())
    return known->second;
  const auto low = file.module ? file.module->function_low(offset) : std::nullopt;
  file.lows.emplace(offset, low);
  return low;
}

const std::optional<Namer::Callee>& Namer::called_before(const CodePlace& place) {
  OpenedFile& file = files_[place.module];
  if (const auto known = file.called.find(place.offset); known != file.called.end())
    return known->second;
  std::optional<Callee> callee;
  if (auto called = file.module ? file.module->called_before(place.offset) : std::nullopt;
      called && !is_thunk(called->frame.function)) {
    Frame frame;
    frame.function = std::move(called->frame.function);
    frame.module = file.path;
    frame.build_id = file.module->build_id();
    frame.offset = called->offset;
    frame.file = std::move(called->frame.file);
    frame.line = called->frame.line;
    frame.tail_call = true;
    callee = Callee{called->low, std::move(frame)};
  }
  return file.called.emplace(place.offset, std::move(callee)).first->second;
}

std::optional<FrameRef> Namer::tail_caller(const CodePlace& inner, const CodePlace& caller) {
  const auto is_native = [this](const CodePlace& place) { return place.module < files_.size(); };
  if (!is_native(inner) || !is_native(caller) || !caller.is_return)
    return std::nullopt;
  const auto& callee = called_before(caller);
  if (!callee)
    return std::nullopt;
  if (inner.module == caller.module) {
    const auto low = function_low(inner);
    if (!low || *low == callee->low ||
        is_part_of(frames_at(inner).back()->function, callee->frame->function))
      return std::nullopt;
  }
  return callee->frame;
}

std::set<std::string> Namer::changed_files() const {
  std::set<std::string> changed;
  for (const OpenedFile& file : files_)
    if (file.module && file.module->was_changed())
      changed.insert(file.path);
  return changed;
}

void Namer::rest() {
  const auto now = std::chrono::steady_clock::now();
  bool any = false;
  for (OpenedFile& file : files_)
    any = (file.module && file.module->rest(now)) || any;
#ifdef __GLIBC__
  if (any) // many small pieces, most of which lie below others
    malloc_trim(0);
#endif
}

FrameRef Namer::python_frame(std::uint64_t place) {
  if (const auto known = python_named_.find(place); known != python_named_.end())
    return known->second;
  FrameRef frame(
      python_.name(static_cast<std::uint32_t>(place >> 32), static_cast<std::uint32_t>(place)));
  if (!frame->file.empty()) // else its record may still come
    python_named_.emplace(place, frame);
  return frame;
}

Frames Namer::name(const LocatedStack& stack) {
  Frames frames;
  const CodePlace* inner = nullptr;
  for (const CodePlace& place : stack.places) {
    if (const CodePlace* called = std::exchange(inner, &place))
      if (auto left = tail_caller(*called, place))
        frames.push_back(*std::move(left));
    if (place.module == CodePlace::no_module) {
      Frame unknown;
      unknown.offset = place.offset;
      frames.emplace_back(std::move(unknown));
      continue;
    }
    if (place.module == CodePlace::python) {
      frames.push_back(python_frame(place.offset));
      continue;
    }
    const auto& here = frames_at(place);
    frames.insert(frames.end(), here.begin(), here.end());
  }
  if (stack.end != LEAKBPF_STACK_COMPLETE) {
    Frame note;
    note.kind = FrameKind::note;
    note.function = stack_end_text(stack.end);
    frames.emplace_back(std::move(note));
  }
  return frames;
}

} // namespace leakbpf
