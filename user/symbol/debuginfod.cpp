// SPDX-License-Identifier: Apache-2.0
#include "symbol/debuginfod.h"

#include <cstdlib>

#include <dlfcn.h>
#include <unistd.h>

namespace leakbpf {

namespace {

// As in elfutils/debuginfod.h, which need not be there: build IDs are text when their length is 0,
// a found file is a descriptor, and its path is the caller's to free.
struct Client;
using Begin = Client* (*)();
using End = void (*)(Client*);
using Find = int (*)(Client*, const unsigned char* build_id, int length, char** path);

} // namespace

struct Debuginfod::Impl {
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (client)
      end(client);
    if (library)
      dlclose(library);
  }

  [[nodiscard]] std::string find(Find function, const std::string& build_id) const {
    char* path = nullptr;
    const int fd =
        function(client, reinterpret_cast<const unsigned char*>(build_id.c_str()), 0, &path);
    if (fd < 0)
      return "";
    close(fd);
    std::string found = path ? path : "";
    free(path); // NOLINT: the library took it from malloc
    return found;
  }

  void* library = nullptr;
  Client* client = nullptr;
  End end = nullptr;
  Find debuginfo = nullptr;
  Find executable = nullptr;
};

Debuginfod::Debuginfod(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Debuginfod::Debuginfod(Debuginfod&&) noexcept = default;
Debuginfod& Debuginfod::operator=(Debuginfod&&) noexcept = default;
Debuginfod::~Debuginfod() = default;

Result<Debuginfod> Debuginfod::open() {
  const char* urls = std::getenv("DEBUGINFOD_URLS");
  if (!urls || !*urls)
    return Error{ExitCode::io, "--debuginfod: the environment names no server",
                 "export DEBUGINFOD_URLS=https://debuginfod.debian.net (or your distribution's)"};
  auto impl = std::make_unique<Impl>();
  impl->library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!impl->library)
    return Error{ExitCode::io, "--debuginfod: libdebuginfod.so.1 is not installed",
                 "apt-get install libdebuginfod1"};
  const auto begin = reinterpret_cast<Begin>(dlsym(impl->library, "debuginfod_begin"));
  impl->end = reinterpret_cast<End>(dlsym(impl->library, "debuginfod_end"));
  impl->debuginfo = reinterpret_cast<Find>(dlsym(impl->library, "debuginfod_find_debuginfo"));
  impl->executable = reinterpret_cast<Find>(dlsym(impl->library, "debuginfod_find_executable"));
  if (begin && impl->end && impl->debuginfo && impl->executable)
    impl->client = begin();
  if (!impl->client)
    return Error{ExitCode::io, "--debuginfod: libdebuginfod.so.1 cannot be used", ""};
  return Debuginfod(std::move(impl));
}

std::string Debuginfod::debug_file(const std::string& build_id) const {
  return impl_->find(impl_->debuginfo, build_id);
}

std::string Debuginfod::executable(const std::string& build_id) const {
  return impl_->find(impl_->executable, build_id);
}

} // namespace leakbpf
