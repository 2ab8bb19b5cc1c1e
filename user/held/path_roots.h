// SPDX-License-Identifier: Apache-2.0
// Where paths to objects begin: modules by their names, frames of threads, and tasks, coroutines
// and generators that nothing else may lead to.
#pragma once

#include "core/python_file.h"
#include "held/object_reader.h"
#include "held/retainer_paths.h"
#include "python/layout.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace leakbpf {

struct RootPlaces {
  std::uint64_t runtime = 0; ///< address of _PyRuntime in the process
  PythonLayout layout;       ///< with the way from a thread's state to its frames
};

/// Whose code it is that holds what is found from there.
[[nodiscard]] PythonOwner owner_of_root(const PathRoot& root);

/// Addresses of the process's interpreters. Empty when the way to them makes no sense.
[[nodiscard]] std::vector<std::uint64_t> interpreters(const ObjectReader& reader,
                                                      const RootPlaces& places);

/// No interpreter of the process collects cycles by itself (gc.disable()).
[[nodiscard]] bool is_collector_off(const ObjectReader& reader, const RootPlaces& places);

/// The function that runs, or ran, in a frame.
struct FrameFunction {
  std::string name;
  std::string file;
};
/// Nothing when that makes no sense.
[[nodiscard]] std::optional<FrameFunction>
function_of(const ObjectReader& reader, const RootPlaces& places, std::uint64_t frame);

/// Modules of every interpreter of the process: the application's own first, then others by the
/// lengths of their names. Empty when the way to them makes no sense.
[[nodiscard]] std::vector<PathRoot> module_roots(const ObjectReader& reader,
                                                 const RootPlaces& places);

/// Variables of the functions that threads run.
[[nodiscard]] std::vector<PathRoot> frame_roots(const ObjectReader& reader,
                                                const RootPlaces& places);

/// Generators and coroutines, which may be held only for moments by what can be walked to.
[[nodiscard]] std::vector<PathRoot> generator_roots(const ObjectReader& reader,
                                                    const RootPlaces& places,
                                                    std::span<const std::uint64_t> generators);

} // namespace leakbpf
