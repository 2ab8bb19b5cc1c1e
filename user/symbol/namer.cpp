// SPDX-License-Identifier: Apache-2.0
#include "symbol/namer.h"

#include "target/allocators.h"

#include <cstring>

#include <elf.h>
#include <sys/auxv.h>

namespace leakbpf {

namespace {

/// The vDSO is the same in every 64-bit process of one kernel, so our own serves for all.
std::unique_ptr<Module> open_vdso() {
  const auto* image = reinterpret_cast<const char*>(getauxval(AT_SYSINFO_EHDR)); // NOLINT
  if (!image)
    return nullptr;
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof(header));
  // The section headers are the last thing in it.
  const std::size_t size = header.e_shoff + std::size_t{header.e_shnum} * header.e_shentsize;
  auto module = Module::open_image(image, size);
  return module ? std::make_unique<Module>(std::move(*module)) : nullptr;
}

Frame note(std::string text) {
  Frame frame;
  frame.kind = FrameKind::note;
  frame.function = std::move(text);
  return frame;
}

Frame unknown_place(std::uint64_t pc) {
  Frame frame;
  frame.offset = pc;
  return frame;
}

} // namespace

const Module* Namer::module_of(pid_t pid, const Mapping& mapping) {
  const FileId id{mapping.device, mapping.inode};
  const bool vdso = mapping.path == "[vdso]";
  if (mapping.inode == 0 && !vdso)
    return nullptr;
  const auto known = modules_.find(id);
  if (known != modules_.end())
    return known->second.get();
  std::unique_ptr<Module> module;
  if (vdso) {
    module = open_vdso();
  } else {
    const auto files = executable_files(proc_, pid, std::span(&mapping, 1));
    if (!files.empty())
      if (auto opened = Module::open(files.front().open_path, proc_.path(pid, "root")))
        module = std::make_unique<Module>(std::move(*opened));
  }
  return modules_.emplace(id, std::move(module)).first->second.get();
}

const std::vector<Frame>& Namer::frames_at(const Module* module, const Mapping& mapping,
                                           std::uint64_t offset) {
  auto& cached = cache_[{mapping.device, mapping.inode}];
  const auto known = cached.find(offset);
  if (known != cached.end())
    return known->second;
  Frame place;
  place.module = mapping.path;
  place.offset = offset;
  std::vector<Frame> frames;
  if (module) {
    place.build_id = module->build_id();
    for (SourceFrame& source : module->resolve(offset, true)) {
      Frame& frame = frames.emplace_back(place);
      frame.function = std::move(source.function);
      frame.file = std::move(source.file);
      frame.line = source.line;
      frame.inlined = source.inlined;
    }
  }
  if (frames.empty())
    frames.push_back(place);
  return cached.emplace(offset, std::move(frames)).first->second;
}

std::vector<Frame> Namer::name(pid_t pid, const AddressSpace& space, const leakbpf_stack& stack) {
  std::vector<Frame> frames;
  for (std::uint32_t i = 0; i < stack.depth; i++) {
    const std::uint64_t pc = stack.pc[i];
    const Mapping* mapping = space.find(pc);
    if (!mapping) {
      if (i > 0) { // a walk by frame pointers that went astray
        frames.push_back(note("the stack could not be followed further"));
        return frames;
      }
      frames.push_back(unknown_place(pc));
      continue;
    }
    const auto& here =
        frames_at(module_of(pid, *mapping), *mapping, pc - mapping->start + mapping->offset);
    frames.insert(frames.end(), here.begin(), here.end());
  }
  if (stack.end == LEAKBPF_STACK_TRUNCATED)
    frames.push_back(note("more frames than --max-depth"));
  else if (stack.end == LEAKBPF_STACK_BROKEN)
    frames.push_back(note("the stack could not be followed further"));
  return frames;
}

} // namespace leakbpf
