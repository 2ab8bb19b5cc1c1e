// SPDX-License-Identifier: Apache-2.0
// Libraries that come, allocate at once, go, and come back elsewhere, or another in their place.
//
//   unwind_dlopen A.so B.so
#define _GNU_SOURCE
#include "unwind_case.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>

enum {
  constructor_size = 17001,
  at_once_size = 17002,
  other_here_size = 17003,
  back_elsewhere_size = 17004,
  both_size = 17005,
};
#define LOADER "<ld-linux-x86-64.so.2|libc.so.6>"

typedef void leak_function(size_t size);

static void* open_plugin(const char* path) {
  void* plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!plugin)
    fail(dlerror());
  return plugin;
}

static uintptr_t address_of(void* plugin) {
  struct link_map* map = NULL;
  if (dlinfo(plugin, RTLD_DI_LINKMAP, &map))
    fail("dlinfo");
  return map->l_addr;
}

// Waits first until a tracer has seen where the library was: what is gone cannot be named.
static void close_plugin(void* plugin) {
  usleep(400000);
  if (dlclose(plugin))
    fail("dlclose");
}

NOINLINE void case_constructor(const char* path, size_t size) {
  char text[24];
  (void)snprintf(text, sizeof(text), "%zu", size);
  setenv("UNWIND_CONSTRUCTOR_SIZE", text, 1);
  close_plugin(open_plugin(path));
  unsetenv("UNWIND_CONSTRUCTOR_SIZE");
}

NOINLINE void* case_at_once(const char* path, size_t size) {
  void* plugin = open_plugin(path);
  ((leak_function*)dlsym(plugin, "plugin_leak"))(size);
  return plugin;
}

NOINLINE void* case_other_here(const char* path, size_t size) {
  void* plugin = open_plugin(path);
  ((leak_function*)dlsym(plugin, "plugin_leak"))(size);
  return plugin;
}

NOINLINE void* case_back_elsewhere(const char* path, size_t size) {
  void* plugin = open_plugin(path);
  ((leak_function*)dlsym(plugin, "plugin_leak"))(size);
  return plugin;
}

NOINLINE void case_both(void* plugin, size_t size) {
  ((leak_function*)dlsym(plugin, "plugin_leak"))(size);
  NOT_THE_END();
}

int main(int argc, char** argv) {
  if (argc != 3)
    return 2;
  expect("constructor", constructor_size,
         "a_constructor_leaf a_constructor " LOADER " case_constructor " FROM_MAIN);
  expect("at-once", at_once_size, "a_leaf plugin_leak case_at_once " FROM_MAIN);
  expect("other-here", other_here_size, "b_leaf plugin_leak case_other_here " FROM_MAIN);
  expect("back-elsewhere", back_elsewhere_size,
         "a_leaf plugin_leak case_back_elsewhere " FROM_MAIN);
  expect("both", both_size, "b_leaf plugin_leak case_both " FROM_MAIN);
  begin();
  case_constructor(argv[1], constructor_size);
  void* plugin = case_at_once(argv[1], at_once_size);
  const uintptr_t first = address_of(plugin);
  close_plugin(plugin);
  void* other = case_other_here(argv[2], other_here_size);
  if (address_of(other) != first)
    fail("the other library did not take the first one's place");
  plugin = case_back_elsewhere(argv[1], back_elsewhere_size); // its place is taken
  if (address_of(plugin) == first)
    fail("the library came back to its old place");
  case_both(other, both_size);
  finish();
}
