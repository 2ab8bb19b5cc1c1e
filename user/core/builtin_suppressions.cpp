// SPDX-License-Identifier: Apache-2.0
// The built-in suppressions. A rule belongs here only when what it hides is allocated once in the
// life of a process, or once for each of a few things that it is set up with, and is found again by
// whoever allocated it. What a program can do over and over (fopen, dlopen, newlocale, iconv_open,
// setenv, atexit, new threads) must not be here, nor what runs callbacks of the application.
#include "core/suppressions.h"

#include <array>

namespace leakbpf {

namespace {

enum class Library { libc, libstdcxx, musl };

struct Once {
  std::string_view function; ///< exact
  Library library;
};

constexpr std::array<Once, 30> once_functions{{
    // One copy of the data of each locale and category that was asked for, shared from then on by
    // all that ask for it.
    {"setlocale", Library::libc},
    {"_nl_load_locale", Library::libc},
    {"_nl_load_locale_from_archive", Library::libc},
    // The list of character set conversions, read at the first one (pthread_once).
    {"__gconv_load_conf", Library::libc},
    {"__gconv_read_conf", Library::libc},
    {"__gconv_load_cache", Library::libc},
    // The conversion of wide characters of a locale: kept with its data.
    {"__wcsmbs_load_conv", Library::libc},
    // The one time zone of the process: the next replaces it.
    {"tzset", Library::libc},
    {"__tzset", Library::libc},
    {"tzset_internal", Library::libc},
    {"__tz_convert", Library::libc},
    {"localtime", Library::libc},
    {"localtime_r", Library::libc},
    {"__localtime_r", Library::libc},
    {"mktime", Library::libc},
    // The buffer of stdout: these functions write to no other stream.
    {"puts", Library::libc},
    {"putchar", Library::libc},
    {"printf", Library::libc},
    {"vprintf", Library::libc},
    {"__printf_chk", Library::libc},
    {"__vprintf_chk", Library::libc},
    // libgcc's unwinder, loaded at its first use and never again.
    {"backtrace", Library::libc},
    {"__libc_unwind_link_get", Library::libc},
    {"pthread_cancel_init", Library::libc},
    // The standard streams: made once, and given buffers of their own by the first
    // sync_with_stdio(false), which cannot be taken back.
    {"std::ios_base::Init::Init()", Library::libstdcxx},
    {"std::ios_base::sync_with_stdio(bool)", Library::libstdcxx},
    // The time zone database, read at the first access; reload_tzdb() by itself is the program's.
    {"std::chrono::get_tzdb_list()", Library::libstdcxx},
    // musl: constructors at start; main() is not called from there, dlopen() does not go there.
    {"__libc_start_init", Library::musl},
    // musl's loader itself: it maps what the program is linked with and jumps into it.
    {"__dls2b", Library::musl},
    {"__dls3", Library::musl},
}};

std::vector<std::string_view> modules_of(Library library) {
  switch (library) {
  case Library::libstdcxx:
    return {"libstdc++.so"};
  case Library::musl:
    return {"ld-musl-"};
  default:
    return {"libc.so", "libc-2.", "ld-musl-"};
  }
}

} // namespace

Suppressions Suppressions::builtin() {
  Suppressions suppressions;
  // glibc's loader: it maps libraries and runs their constructors (libstdc++ gets memory for
  // exceptions then), and leaves for the program by a jump. So it is the outermost frame only
  // before main(); below dlopen() there is always the caller. musl's is the C library, too.
  suppressions.rules_.push_back(
      {"built-in: start by the dynamic loader", {}, {"ld-linux", "ld-2."}, true});
  for (const Once& once : once_functions)
    suppressions.rules_.push_back({"built-in: " + std::string(once.function),
                                   *FramePattern::parse("^" + std::string(once.function) + "$"),
                                   modules_of(once.library), false});
  return suppressions;
}

} // namespace leakbpf
