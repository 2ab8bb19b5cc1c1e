// SPDX-License-Identifier: Apache-2.0
#include "core/culprit.h"

#include "core/python_file.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// Files that are never the application: loaders, C and C++ libraries, allocators. A name ends at a
// dot or a dash, so that libc.so.6 and libc-2.31.so are libc and libcrypto is not.
constexpr std::array<std::string_view, 16> runtime_modules{"libc",
                                                           "libstdc++",
                                                           "libc++",
                                                           "libc++abi",
                                                           "libgcc_s",
                                                           "libm",
                                                           "libpthread",
                                                           "ld",
                                                           "ld-linux-x86-64",
                                                           "ld-musl-x86_64",
                                                           "libjemalloc",
                                                           "libtcmalloc",
                                                           "libtcmalloc_minimal",
                                                           "libmimalloc",
                                                           "[vdso]",
                                                           "libdl"};

constexpr std::array<std::string_view, 11> runtime_functions{
    "operator new", "std::",           "__gnu_cxx::",          "__cxa_",      "<std::", "__rust_",
    "hashbrown::",  "<jemallocator::", "<tikv_jemallocator::", "<mimalloc::", "__rg_"};

// Rust's crates. A C++ project may have namespaces of these names.
constexpr std::array<std::string_view, 4> rust_crates{"alloc::", "<alloc::", "core::", "<core::"};

// As they are, or with a suffix that no name in C has.
constexpr std::array<std::string_view, 9> allocator_functions{
    "malloc",        "calloc",   "realloc", "reallocarray", "posix_memalign",
    "aligned_alloc", "memalign", "strdup",  "strndup"};

// Beginnings of the names by which well-known programs and libraries wrap malloc: redis, GNU, GLib,
// OpenSSL, nginx, PostgreSQL, SQLite, CPython; and allocators that are linked in.
constexpr std::array<std::string_view, 37> allocator_wrappers{
    "zmalloc",         "zcalloc",         "zrealloc",           "ztry",
    "xmalloc",         "xcalloc",         "xrealloc",           "xzalloc",
    "g_malloc",        "g_realloc",       "g_try_malloc",       "CRYPTO_malloc",
    "CRYPTO_zalloc",   "CRYPTO_realloc",  "ngx_alloc",          "ngx_calloc",
    "ngx_palloc",      "ngx_pnalloc",     "ngx_pcalloc",        "ngx_memalign",
    "palloc",          "repalloc",        "MemoryContextAlloc", "AllocSetAlloc",
    "AllocSetRealloc", "sqlite3Malloc",   "sqlite3_malloc",     "PyMem_",
    "PyObject_Malloc", "PyObject_Calloc", "PyObject_Realloc",   "_PyObject_Malloc",
    "je_malloc",       "je_calloc",       "je_realloc",         "mi_malloc",
    "_rjem_"};

bool is_runtime_module(std::string_view module) {
  const std::string_view name = base_name(module);
  return std::any_of(runtime_modules.begin(), runtime_modules.end(), [&](std::string_view runtime) {
    return name.starts_with(runtime) &&
           (name.size() == runtime.size() || name[runtime.size()] == '.' ||
            name[runtime.size()] == '-');
  });
}

/// By where the source lies, or, where nothing says that, by the parameters, which Rust's names do
/// not have.
bool is_rust(const Frame& frame) {
  if (!frame.file.empty())
    return frame.file.starts_with("/rustc/") || frame.file.find("/rustlib/") != std::string::npos ||
           frame.file.starts_with("library/");
  return short_function(frame.function).size() == frame.function.size();
}

bool is_runtime_function(const Frame& frame) {
  std::string_view function = frame.function;
  function.remove_prefix(name_start(function));
  const auto begins = [&](std::string_view prefix) { return function.starts_with(prefix); };
  const auto is_called = [&](std::string_view name) {
    return function.starts_with(name) &&
           (function.size() == name.size() || function[name.size()] == '@' ||
            function[name.size()] == '.' || function[name.size()] == '(');
  };
  return std::any_of(runtime_functions.begin(), runtime_functions.end(), begins) ||
         std::any_of(allocator_functions.begin(), allocator_functions.end(), is_called) ||
         std::any_of(allocator_wrappers.begin(), allocator_wrappers.end(), begins) ||
         (std::any_of(rust_crates.begin(), rust_crates.end(), begins) && is_rust(frame));
}

/// A library of the system, as programs are linked with it. What lies deeper in its folders are
/// parts of programs: modules of nginx, of Python packages, a JVM.
bool is_system_library(std::string_view module) {
  if (base_name(module).find(".so") == std::string_view::npos)
    return false;
  std::string_view folder = module.substr(0, module.rfind('/'));
  const std::string_view last = base_name(folder);
  if (last.find("-linux-") != std::string_view::npos) // x86_64-linux-gnu
    folder = folder.substr(0, folder.rfind('/'));
  for (const std::string_view lib :
       {"/lib", "/usr/lib", "/usr/local/lib", "/lib64", "/usr/lib64", "/usr/local/lib64"})
    if (folder == lib)
      return true;
  return false;
}

} // namespace

bool has_python(const Frames& frames) {
  return std::any_of(frames.begin(), frames.end(),
                     [](const Frame& frame) { return frame.kind == FrameKind::python; });
}

bool only_starts(const Frame& frame) {
  return frame.kind == FrameKind::python ? frame.function == "<module>"
                                         : frame.function == "main" || frame.function == "_start";
}

bool is_application(const Frame& frame) {
  switch (frame.kind) {
  case FrameKind::note:
  case FrameKind::kernel:
    return false;
  case FrameKind::python:
    return !frame.file.empty() && owner_of(frame.file) == PythonOwner::application;
  default:
    return !is_runtime_module(frame.module) && !is_runtime_function(frame);
  }
}

namespace {

/// Frames in order of how much they would tell, in one stack; the first that is there is the
/// culprit.
enum class Telling {
  application, ///< named, and more than the program's start
  nameless,    ///< in a file of the application
  library,
  start,
  runtime,
  nothing,
};

Telling python_telling(const Frame& frame, const CommonPaths& common) {
  if (frame.kind != FrameKind::python || frame.file.empty())
    return Telling::nothing;
  switch (owner_of(frame.file)) {
  case PythonOwner::application:
    return only_starts(frame) && common.is_trunk(frame) ? Telling::start : Telling::application;
  case PythonOwner::package:
    return Telling::library;
  default:
    return Telling::runtime;
  }
}

Telling native_telling(const Frame& frame) {
  if (frame.kind != FrameKind::native)
    return Telling::nothing;
  if (!is_application(frame))
    return frame.function.empty() ? Telling::nothing : Telling::runtime;
  if (is_system_library(frame.module))
    return frame.function.empty() ? Telling::nothing : Telling::library;
  if (frame.function.empty())
    return frame.module.empty() ? Telling::nothing : Telling::nameless;
  return only_starts(frame) ? Telling::start : Telling::application;
}

std::vector<Telling> tell_apart(const Frames& frames, const CommonPaths& common) {
  const bool python = has_python(frames);
  std::vector<Telling> telling;
  bool started = false; // what calls main is no part of the application, though it may be linked in
  for (const Frame& frame : frames) {
    if (started) {
      telling.push_back(frame.function.empty() ? Telling::nothing : Telling::runtime);
      continue;
    }
    started = !python && only_starts(frame);
    telling.push_back(python ? python_telling(frame, common) : native_telling(frame));
  }
  return telling;
}

/// Where blocks that come and go take the same way up to a frame, it tells nothing of this leak.
void leave_out(const CommonPaths& common, const Frames& frames, std::vector<Telling>& telling) {
  std::uint64_t path = 0;
  for (std::size_t i = 0; i < frames.size(); i++) {
    if (frames[i]->kind == FrameKind::note)
      continue;
    path = path_through(path, frames[i]);
    if (common.contains(path))
      telling[i] = Telling::nothing;
  }
}

/// Of frames of one library that call each other the outermost: the application knows that.
std::size_t outermost_of_library(const Frames& frames, const std::vector<Telling>& telling,
                                 std::size_t index) {
  for (std::size_t i = index + 1; i < frames.size() && telling[i] == Telling::library &&
                                  frames[i]->module == frames[index]->module;
       i++)
    index = i;
  return index;
}

struct Choice {
  std::size_t index = 0;
  Telling telling = Telling::nothing;
};

Choice most_telling(const Frames& frames, const std::vector<Telling>& telling) {
  const auto best = std::min_element(telling.begin(), telling.end());
  if (best == telling.end() || *best == Telling::nothing)
    return {};
  const auto index = static_cast<std::size_t>(best - telling.begin());
  if (*best == Telling::library && frames[index]->kind == FrameKind::native)
    return {outermost_of_library(frames, telling, index), *best};
  return {index, *best};
}

} // namespace

/// What is only called by a library is no better for standing further out, but the line of the
/// program's start that leaks is.
std::size_t find_culprit(const Frames& frames, const CommonPaths& common) {
  std::vector<Telling> telling = tell_apart(frames, common);
  const Choice alone = most_telling(frames, telling);
  leave_out(common, frames, telling);
  const Choice contrasted = most_telling(frames, telling);
  const bool is_better =
      contrasted.telling <= alone.telling || contrasted.telling == Telling::start;
  return is_better ? contrasted.index : alone.index;
}

std::vector<std::size_t> find_callers(const Frames& frames, std::size_t culprit) {
  constexpr std::size_t most_callers = 3;
  const bool python = has_python(frames);
  std::vector<std::size_t> callers;
  for (std::size_t i = culprit + 1; i < frames.size() && callers.size() < most_callers; i++) {
    const Frame& frame = frames[i];
    const std::string& last = frames[callers.empty() ? culprit : callers.back()]->function;
    if (is_application(frame) && !frame.function.empty() && frame.function != last &&
        (!python || (frame.kind == FrameKind::python && !only_starts(frame))))
      callers.push_back(i);
    if (!python && only_starts(frame))
      break;
  }
  return callers;
}

void find_culprits(Report& report) {
  const CommonPaths common(report.sites);
  for (SiteReport& site : report.sites)
    site.culprit = find_culprit(site.frames, common);
}

} // namespace leakbpf
