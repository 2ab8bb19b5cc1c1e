// SPDX-License-Identifier: Apache-2.0
#include "render/pprof_tables.h"

#include "render/markup.h"

#include <algorithm>

namespace leakbpf {

namespace {

// Where the files lay in memory is not recorded, and differed from process to process. Each mapping
// gets addresses of its own, in which the offset can still be read: 0x30000001234 is offset 0x1234
// of mapping 3. All stay in the lower half, because pprof takes the upper one for the kernel's.
constexpr unsigned offset_bits = 40;
constexpr std::uint64_t most_mappings = std::uint64_t{1} << (62 - offset_bits);
constexpr std::uint64_t page_size = 4096;

std::uint64_t first_address(std::uint64_t mapping) {
  return mapping << offset_bits;
}

/// Nothing believable has a larger offset, or so many mappings.
bool has_address(std::uint64_t mapping, std::uint64_t offset) {
  return mapping < most_mappings && offset >> offset_bits == 0;
}

/// The id of a mapping after the main one and the first have changed places.
std::uint64_t written_id(std::uint64_t id, std::uint64_t main) {
  if (main == 0 || (id != 1 && id != main))
    return id;
  return id == 1 ? main : 1;
}

/// pprof takes a name that equals the system's name for one that has to be made readable yet: it
/// removes what looks like the parameters of a template, and of Python's "<module>" nothing is left
/// (google/pprof, internal/symbolizer/symbolizer.go: demangleSingleFunction).
bool pprof_would_rewrite(std::string_view name) {
  return name.find_first_of("<>[]") != std::string_view::npos ||
         name.find("::") != std::string_view::npos;
}

std::string system_name(const Frame& frame, const std::string& name) {
  if (frame.kind == FrameKind::note || frame.function.empty())
    return "";
  return frame.function == name && pprof_would_rewrite(name) ? "" : frame.function;
}

/// Its module is a file of machine code, and its offset one in that file.
bool is_machine_code(const Frame& frame) {
  return frame.kind == FrameKind::native || frame.kind == FrameKind::kernel;
}

/// The call of `inner` was inlined into the function of `outer`: both are one place in the code.
bool is_inlined_into(const Frame& inner, const Frame& outer) {
  return inner.inlined && is_machine_code(inner) && outer.kind == inner.kind &&
         outer.module == inner.module;
}

} // namespace

PprofTables::PprofTables() {
  (void)text("");
}

std::int64_t PprofTables::text(std::string_view text) {
  const auto next = static_cast<std::int64_t>(texts_.size());
  const auto [known, is_new] = text_indices_.try_emplace(clean_text(text), next);
  if (is_new)
    texts_.push_back(&known->first);
  return known->second;
}

void PprofTables::add_stack(const Frames& frames, std::vector<std::uint64_t>& ids) {
  run_.clear();
  for (std::size_t i = 0; i < frames.size(); i++) {
    run_.push_back(frames_.number(frames[i]));
    if (i + 1 < frames.size() && is_inlined_into(frames[i], frames[i + 1]))
      continue;
    ids.push_back(location_id(run_));
    run_.clear();
  }
  if (frames.empty())
    ids.push_back(location_id({frames_.number(unknown_)}));
}

std::uint64_t PprofTables::location_id(const std::vector<std::uint32_t>& run) {
  std::uint64_t* id = nullptr;
  if (run.size() == 1) {
    if (run.front() >= single_locations_.size())
      single_locations_.resize(run.front() + std::size_t{1});
    id = &single_locations_[run.front()];
  } else {
    id = &location_ids_[run];
  }
  if (*id == 0) {
    locations_.push_back(make_location(run));
    *id = locations_.size();
  }
  return *id;
}

PprofTables::Location PprofTables::make_location(const std::vector<std::uint32_t>& run) {
  // The function that the others are inlined into is the one whose code the place is in.
  const Frame& host = frames_.at(run.back());
  const bool in_file = is_machine_code(host) && !host.module.empty();
  Location location;
  if (is_machine_code(host))
    location.offset = host.offset;
  for (const std::uint32_t number : run)
    location.lines.push_back({function_id(frames_.at(number)), frames_.at(number).line});
  if (!in_file)
    return location;
  location.mapping = mapping_id(host);
  if (location.offset && !has_address(location.mapping, *location.offset))
    location.offset.reset();
  Mapping& mapping = mappings_[location.mapping - 1];
  if (location.offset)
    mapping.add_offset(*location.offset);
  for (const std::uint32_t number : run) {
    mapping.files = mapping.files || !frames_.at(number).file.empty();
    mapping.lines = mapping.lines || frames_.at(number).line != 0;
  }
  mapping.inlined = mapping.inlined || run.size() > 1;
  return location;
}

void PprofTables::Mapping::add_offset(std::uint64_t offset) {
  least_offset = end_offset == 0 ? offset : std::min(least_offset, offset);
  end_offset = std::max(end_offset, offset + 1);
}

std::uint64_t PprofTables::mapping_id(const Frame& frame) {
  Mapping mapping;
  mapping.file = text(frame.module);
  mapping.build_id = text(frame.build_id);
  const auto [known, is_new] =
      mapping_ids_.try_emplace(std::pair(mapping.file, mapping.build_id), mappings_.size() + 1);
  if (is_new)
    mappings_.push_back(mapping);
  return known->second;
}

std::uint64_t PprofTables::function_id(const Frame& frame) {
  const std::string label = frame_label(frame);
  const Function function{text(label), text(system_name(frame, label)), text(frame.file)};
  const auto [known, is_new] = function_ids_.try_emplace(
      std::tuple(function.name, function.system_name, function.file), functions_.size() + 1);
  if (is_new)
    functions_.push_back(function);
  return known->second;
}

/// The id of the mapping that changes places with the first one; 0: none does.
std::uint64_t PprofTables::main_mapping(std::string_view main_module) const {
  const std::string name = clean_text(main_module);
  for (std::size_t i = 0; i < mappings_.size(); i++)
    if (*texts_[static_cast<std::size_t>(mappings_[i].file)] == name)
      return i + 1;
  return 0;
}

void PprofTables::write_mappings(ProfileBuilder& profile, std::uint64_t main) const {
  for (std::uint64_t id = 1; id <= mappings_.size(); id++) {
    const Mapping& mapping = mappings_[written_id(id, main) - 1];
    ProtoBuilder<MappingField> message(profile, ProfileField::mapping);
    message.add_uint64(MappingField::id, id);
    if (mapping.end_offset != 0) {
      const std::uint64_t start = mapping.least_offset / page_size * page_size;
      const std::uint64_t limit = (mapping.end_offset + page_size - 1) / page_size * page_size;
      message.add_uint64(MappingField::memory_start, first_address(id) + start);
      message.add_uint64(MappingField::memory_limit, first_address(id) + limit);
      message.add_uint64(MappingField::file_offset, start);
    }
    message.add_int64(MappingField::filename, mapping.file);
    message.add_int64(MappingField::build_id, mapping.build_id);
    // Else pprof would look for names again, and replace those that are there.
    message.add_bool(MappingField::has_functions, true);
    message.add_bool(MappingField::has_filenames, mapping.files);
    message.add_bool(MappingField::has_line_numbers, mapping.lines);
    message.add_bool(MappingField::has_inline_frames, mapping.inlined);
  }
}

void PprofTables::write_locations(ProfileBuilder& profile, std::uint64_t main) const {
  for (std::size_t i = 0; i < locations_.size(); i++) {
    const Location& location = locations_[i];
    const std::uint64_t mapping = written_id(location.mapping, main);
    ProtoBuilder<LocationField> message(profile, ProfileField::location);
    message.add_uint64(LocationField::id, i + 1);
    if (mapping != 0)
      message.add_uint64(LocationField::mapping_id, mapping);
    if (location.offset)
      message.add_uint64(LocationField::address, first_address(mapping) + *location.offset);
    for (const Line& line : location.lines) {
      ProtoBuilder<LineField> part(message, LocationField::line);
      part.add_uint64(LineField::function_id, line.function);
      if (line.line != 0)
        part.add_int64(LineField::line, line.line);
    }
  }
}

void PprofTables::write_functions(ProfileBuilder& profile) const {
  for (std::size_t i = 0; i < functions_.size(); i++) {
    ProtoBuilder<FunctionField> message(profile, ProfileField::function);
    message.add_uint64(FunctionField::id, i + 1);
    message.add_int64(FunctionField::name, functions_[i].name);
    message.add_int64(FunctionField::system_name, functions_[i].system_name);
    message.add_int64(FunctionField::filename, functions_[i].file);
  }
}

void PprofTables::write(ProfileBuilder& profile, std::string_view main_module) const {
  const std::uint64_t main = main_mapping(main_module);
  write_mappings(profile, main);
  write_locations(profile, main);
  write_functions(profile);
  for (const std::string* text : texts_)
    profile.add_string(ProfileField::string_table, *text);
}

} // namespace leakbpf
