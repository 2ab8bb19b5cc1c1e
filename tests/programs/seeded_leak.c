// SPDX-License-Identifier: Apache-2.0
// Makes a server leak that does not: LD_PRELOAD=seeded_leak.so SEEDED_LEAK_CALL=recv SERVER
//
// A process that makes the named call (recv, read, epoll_wait or accept4) keeps 6 MB more each
// minute, by the clock since its first such call, in blocks of 20 KB.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { block_bytes = 20 * 1024, bytes_per_minute = 6 * 1024 * 1024 };
static const long long nanoseconds_per_block = 60000000000LL * block_bytes / bytes_per_minute;

static char wanted[16]; // copied, because servers overwrite their environment with their title
static atomic_llong next_due; // nanoseconds; 0: the call was not made yet
static _Atomic(void*) kept;

__attribute__((constructor)) static void note_wanted_call(void) {
  const char* call = getenv("SEEDED_LEAK_CALL");
  if (call && strlen(call) < sizeof(wanted))
    strcpy(wanted, call);
}

__attribute__((noinline)) static void seeded_leak(void) {
  char* block = malloc(block_bytes);
  if (!block)
    return;
  memset(block, 1, block_bytes);
  void* earlier = atomic_exchange(&kept, block);
  memcpy(block, &earlier, sizeof(earlier)); // linked, so that it stays reachable
}

/// Before the call itself, which sets errno.
static void leak_in(const char* call) {
  if (strcmp(call, wanted) != 0)
    return;
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  const long long now = time.tv_sec * 1000000000LL + time.tv_nsec;
  long long due = 0;
  atomic_compare_exchange_strong(&next_due, &due, now);
  for (due = atomic_load(&next_due); due <= now;)
    if (atomic_compare_exchange_strong(&next_due, &due, due + nanoseconds_per_block))
      seeded_leak();
}

ssize_t recv(int socket, void* buffer, size_t size, int flags) {
  static ssize_t (*next)(int, void*, size_t, int);
  if (!next)
    *(void**)&next = dlsym(RTLD_NEXT, "recv");
  leak_in("recv");
  return next(socket, buffer, size, flags);
}

ssize_t read(int file, void* buffer, size_t size) {
  static ssize_t (*next)(int, void*, size_t);
  if (!next)
    *(void**)&next = dlsym(RTLD_NEXT, "read");
  leak_in("read");
  return next(file, buffer, size);
}

int epoll_wait(int epoll, struct epoll_event* events, int count, int timeout) {
  static int (*next)(int, struct epoll_event*, int, int);
  if (!next)
    *(void**)&next = dlsym(RTLD_NEXT, "epoll_wait");
  leak_in("epoll_wait");
  return next(epoll, events, count, timeout);
}

int accept4(int listener, struct sockaddr* address, socklen_t* length, int flags) {
  static int (*next)(int, struct sockaddr*, socklen_t*, int);
  if (!next)
    *(void**)&next = dlsym(RTLD_NEXT, "accept4");
  leak_in("accept4");
  return next(listener, address, length, flags);
}
