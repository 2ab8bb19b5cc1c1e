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

constexpr std::array<std::string_view, 20> runtime_functions{
    "operator new",    "std::",
    "__gnu_cxx::",     "__cxa_",
    "alloc::",         "<alloc::",
    "core::",          "<core::",
    "<std::",          "__rust_",
    "hashbrown::",     "malloc",
    "calloc",          "realloc",
    "posix_memalign",  "strdup",
    "<jemallocator::", "<tikv_jemallocator::",
    "<mimalloc::",     "__rg_"};

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

/// Where the name begins in a demangled function: a template has its return type in front.
std::size_t name_start(std::string_view function) {
  constexpr std::string_view anonymous = "(anonymous namespace)";
  std::size_t start = 0;
  int depth = 0;
  for (std::size_t i = 0; i < function.size(); i++) {
    const std::string_view rest = function.substr(i);
    const char before = i > 0 ? function[i - 1] : ' ';
    if (depth == 0 && (rest.starts_with(" [") ||
                       (rest.starts_with("operator") && (before == ' ' || before == ':'))))
      break;
    if (rest.starts_with(anonymous)) {
      i += anonymous.size() - 1;
      continue;
    }
    const char c = rest.front();
    if (depth == 0 && c == '(')
      break;
    if (c == '<' || c == '(' || c == '{')
      depth++;
    else if ((c == '>' && before != '-') || c == ')' || c == '}')
      depth--;
    else if (c == ' ' && depth == 0)
      start = i + 1;
  }
  return start;
}

bool is_runtime_function(std::string_view function) {
  function.remove_prefix(name_start(function));
  const auto begins = [&](std::string_view prefix) { return function.starts_with(prefix); };
  return std::any_of(runtime_functions.begin(), runtime_functions.end(), begins) ||
         std::any_of(allocator_wrappers.begin(), allocator_wrappers.end(), begins);
}

/// The innermost Python frame of those whose owner comes first; nothing without Python.
std::optional<std::size_t> find_python_culprit(const Frames& frames) {
  std::optional<std::size_t> best;
  PythonOwner best_owner = PythonOwner::standard_library;
  for (std::size_t i = 0; i < frames.size(); i++) {
    if (frames[i]->kind != FrameKind::python || frames[i]->file.empty())
      continue;
    const PythonOwner owner = owner_of(frames[i]->file);
    if (!best || owner < best_owner) {
      best = i;
      best_owner = owner;
    }
  }
  return best;
}

} // namespace

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

bool has_python(const Frames& frames) {
  return std::any_of(frames.begin(), frames.end(),
                     [](const Frame& frame) { return frame.kind == FrameKind::python; });
}

bool is_application(const Frame& frame) {
  switch (frame.kind) {
  case FrameKind::note:
  case FrameKind::kernel:
    return false;
  case FrameKind::python:
    return !frame.file.empty() && owner_of(frame.file) == PythonOwner::application;
  default:
    return !is_runtime_module(frame.module) && !is_runtime_function(frame.function);
  }
}

std::size_t find_culprit(const Frames& frames) {
  if (const auto python = find_python_culprit(frames))
    return *python;
  std::optional<std::size_t> named;
  std::optional<std::size_t> in_application;
  for (std::size_t i = 0; i < frames.size(); i++) {
    const Frame& frame = frames[i];
    if (frame.kind == FrameKind::note)
      continue;
    const bool runtime = !is_application(frame);
    if (!runtime && !frame.function.empty())
      return i;
    if (!runtime && !frame.module.empty() && !in_application)
      in_application = i;
    if (!frame.function.empty() && !named)
      named = i;
  }
  return in_application.value_or(named.value_or(0));
}

std::string short_function(const std::string& name) {
  constexpr std::string_view anonymous = "(anonymous namespace)::";
  std::string text = name;
  for (std::size_t at = 0; (at = text.find(anonymous)) != std::string::npos;)
    text.erase(at, anonymous.size());
  std::string_view rest = text;
  for (const std::string_view suffix : {" const", " &", " &&"})
    if (rest.ends_with(suffix))
      rest.remove_suffix(suffix.size());
  if (!rest.ends_with(')'))
    return text;
  std::size_t depth = 0;
  for (std::size_t at = rest.size(); at-- > 0;) {
    depth += rest[at] == ')' ? 1 : 0;
    depth -= rest[at] == '(' ? 1 : 0;
    // "operator()()" keeps the pair that is its name.
    if (depth == 0)
      return at > 0 ? text.substr(0, at) : text;
  }
  return text;
}

namespace {

std::string describe_python_frame(const Frame& frame) {
  if (frame.file.empty())
    return "[Python code that is gone]";
  const std::string_view file = short_python_path(frame.file);
  if (frame.line == 0)
    return fmt::format("{} at {}", frame.function, file);
  return fmt::format("{} at {}:{}", frame.function, file, frame.line);
}

} // namespace

std::string describe_frame(const Frame& frame) {
  if (frame.kind == FrameKind::note)
    return "[" + frame.function + "]";
  if (frame.kind == FrameKind::python && frame.function.empty() && !frame.module.empty())
    return std::string(short_python_path(frame.module)); // a row of a whole file
  const std::string place =
      frame.offset ? fmt::format("{}+{:#x}", base_name(frame.module), *frame.offset) : frame.module;
  if (frame.kind == FrameKind::python)
    return describe_python_frame(frame);
  if (frame.function.empty())
    return place.empty() ? "[unknown]" : place;
  const std::string function = short_function(frame.function);
  if (frame.file.empty())
    return fmt::format("{} ({})", function, base_name(frame.module));
  if (frame.line == 0)
    return fmt::format("{} at {}", function, base_name(frame.file));
  return fmt::format("{} at {}:{}", function, base_name(frame.file), frame.line);
}

} // namespace leakbpf
