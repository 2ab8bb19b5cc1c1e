// SPDX-License-Identifier: Apache-2.0
#include "held/path_roots.h"

#include "core/python_file.h"
#include "python/code_object.h"

#include <algorithm>
#include <string_view>

namespace leakbpf {

/// A module without a file is built in, but for the program itself when it has none.
PythonOwner owner_of_root(const PathRoot& root) {
  if (root.file.empty())
    return root.name == "__main__" ? PythonOwner::application : PythonOwner::standard_library;
  return owner_of(root.file);
}

namespace {

constexpr std::size_t most_modules = 20'000;
constexpr std::size_t most_interpreters = 64;
constexpr std::size_t most_threads = 4096;
constexpr std::size_t most_frames = 400;
constexpr std::size_t most_generators = 20'000;
/// __file__ is among the first names that a module has.
constexpr std::size_t most_names_before_file = 16;

/// A program's own file runs under the name __main__, which says nothing.
std::string shown_name(const std::string& name, std::string_view file) {
  if (name != "__main__" || file.empty())
    return name;
  file = file.substr(file.rfind('/') + 1);
  if (file == "__main__.py")
    return name;
  return std::string(file.substr(0, file.rfind('.')));
}

std::string file_of(const ObjectReader& reader, std::uint64_t module) {
  const auto dict = reader.memory().get<std::uint64_t>(module + object_at::module_dict);
  const auto table = dict ? read_dict_table(reader.memory(), reader.layout(), *dict) : std::nullopt;
  if (!table)
    return "";
  for (const DictEntry& entry :
       read_dict_entries(reader.memory(), *table, 0, most_names_before_file))
    if (reader.text(entry.key) == "__file__")
      return reader.text(entry.value).value_or("");
  return "";
}

void add_modules(const ObjectReader& reader, std::uint64_t interpreter,
                 std::vector<PathRoot>& roots) {
  const auto modules =
      reader.memory().get<std::uint64_t>(interpreter + reader.layout().interpreter_modules);
  if (!modules)
    return;
  for (const Reference& each : reader.entries(*modules, HoldKind::attribute, most_modules)) {
    const auto type = reader.type_of(each.to);
    const auto name = reader.text(each.label);
    if (!type || reader.type(*type).shape != ObjectShape::module || !name)
      continue;
    const std::string file = file_of(reader, each.to);
    roots.push_back({each.to, shown_name(*name, file), file});
  }
}

void add_frame(const ObjectReader& reader, const RootPlaces& places, std::uint64_t frame,
               std::vector<PathRoot>& roots) {
  const auto function = function_of(reader, places, frame);
  if (!function)
    return;
  for (const Reference& each : reader.locals(frame))
    roots.push_back({each.to, function->name + ".<locals>." + reader.text(each.label).value_or("?"),
                     function->file, each.label});
}

std::uint64_t innermost_frame(const ObjectReader& reader, const leakbpf_python& walk,
                              std::uint64_t thread) {
  const std::uint64_t frame = reader.word(thread + walk.state_frame);
  if (walk.indirect_frame == LEAKBPF_PYTHON_NO_OFFSET || frame == 0)
    return frame;
  return reader.word(frame + walk.indirect_frame);
}

void add_threads(const ObjectReader& reader, const RootPlaces& places, std::uint64_t interpreter,
                 std::vector<PathRoot>& roots) {
  constexpr std::uint64_t next_thread = 8; // PyThreadState.next
  const leakbpf_python& walk = places.layout.walk;
  std::uint64_t thread = reader.word(interpreter + reader.layout().interpreter_threads);
  for (std::size_t i = 0; i < most_threads && thread != 0; i++) {
    std::uint64_t frame = innermost_frame(reader, walk, thread);
    for (std::size_t depth = 0; depth < most_frames && frame != 0; depth++) {
      add_frame(reader, places, frame, roots);
      frame = reader.word(frame + walk.frame_previous);
    }
    thread = reader.word(thread + next_thread);
  }
}

/// The application's first, those of packages next, the standard library's last.
void sort_by_owner(std::vector<PathRoot>& roots) {
  std::stable_sort(roots.begin(), roots.end(), [](const PathRoot& a, const PathRoot& b) {
    return owner_of_root(a) < owner_of_root(b);
  });
}

} // namespace

std::vector<std::uint64_t> interpreters(const ObjectReader& reader, const RootPlaces& places) {
  const ObjectLayout& layout = reader.layout();
  std::vector<std::uint64_t> found;
  std::uint64_t interpreter = reader.word(places.runtime + layout.runtime_interpreters);
  while (interpreter != 0 && found.size() < most_interpreters) {
    found.push_back(interpreter);
    interpreter = reader.word(interpreter + layout.interpreter_next);
  }
  return found;
}

bool is_collector_off(const ObjectReader& reader, const RootPlaces& places) {
  constexpr std::uint64_t enabled = 12; // _gc_runtime_state.enabled, from 3.8 to 3.14
  const bool of_all = reader.layout().version < PythonVersion{3, 9};
  const std::vector<std::uint64_t> all = interpreters(reader, places);
  return !all.empty() && std::all_of(all.begin(), all.end(), [&](std::uint64_t interpreter) {
    const std::uint64_t collector =
        (of_all ? places.runtime : interpreter) + reader.layout().collector;
    return reader.memory().get<std::int32_t>(collector + enabled) == 0;
  });
}

std::optional<FrameFunction> function_of(const ObjectReader& reader, const RootPlaces& places,
                                         std::uint64_t frame) {
  const std::uint64_t code = reader.code_of_frame(frame);
  const auto read =
      code != 0 ? read_dead_code_object(reader.memory(), places.layout, code) : std::nullopt;
  if (!read)
    return std::nullopt;
  return FrameFunction{read->function, read->file};
}

std::vector<PathRoot> module_roots(const ObjectReader& reader, const RootPlaces& places) {
  std::vector<PathRoot> roots;
  for (const std::uint64_t interpreter : interpreters(reader, places))
    add_modules(reader, interpreter, roots);
  std::stable_sort(roots.begin(), roots.end(), [](const PathRoot& a, const PathRoot& b) {
    const bool own_a = owner_of_root(a) == PythonOwner::application;
    const bool own_b = owner_of_root(b) == PythonOwner::application;
    // Of others' modules that share an object, the one with the shortest name made it, mostly.
    return own_a != own_b ? own_a : !own_a && a.name.size() < b.name.size();
  });
  return roots;
}

std::vector<PathRoot> frame_roots(const ObjectReader& reader, const RootPlaces& places) {
  std::vector<PathRoot> roots;
  for (const std::uint64_t interpreter : interpreters(reader, places))
    add_threads(reader, places, interpreter, roots);
  sort_by_owner(roots);
  return roots;
}

std::vector<PathRoot> generator_roots(const ObjectReader& reader, const RootPlaces& places,
                                      std::span<const std::uint64_t> generators) {
  std::vector<PathRoot> roots;
  for (const std::uint64_t generator :
       generators.first(std::min(generators.size(), most_generators)))
    if (const std::uint64_t frame = reader.frame_of_generator(generator); frame != 0)
      if (const auto function = function_of(reader, places, frame))
        roots.push_back({generator, function->name, function->file});
  sort_by_owner(roots);
  return roots;
}

} // namespace leakbpf
