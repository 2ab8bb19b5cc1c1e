// SPDX-License-Identifier: Apache-2.0
// Stands between leakbpf and the C library (LD_PRELOAD), and lets one call fail once.
//
//   FAULTS_LOG=FILE     where this library writes, a line each:
//                         site ID FUNCTION DETAIL FRAME...   a call site was met for the first time
//                         failed ID                          the chosen one has failed
//   FAULTS_SITE=ID      the call site that is to fail
//   FAULTS_KIND=KIND    an errno (its number), or "short": fewer bytes than asked for
//   FAULTS_NTH=N        its Nth call, default 1
//
// A call site is a function with the innermost return addresses: those of libraries down to the
// program's own code, then three of that. Addresses are offsets into their module, so that an ID
// holds from run to run.
//
// This sees calls that go through a dynamic symbol: what the program, libstdc++, libbpf, libelf and
// libdw call in libc, and not what libc calls in itself (the reads behind fgets). Were leakbpf
// linked statically, none could be seen; a seccomp filter with SECCOMP_RET_USER_NOTIF would have to
// take this library's place, with the stacks unwound from outside.
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { most_sites = 1 << 14, most_frames = 48, library_frames = 2, program_frames = 3 };

struct chosen {
  _Atomic int calls; // of the chosen site, in this process and those forked from it
  uint64_t site;     // 0: none
  int nth;           // call that fails
  int error;         // 0: it is short
};

static struct chosen* chosen; // in memory that forked processes share
static int log_fd = -1;
static _Atomic uint64_t seen[most_sites];
static __thread bool inside; // of this library, which calls functions that it wraps

// ---- without the functions that are wrapped -----------------------------------------------------

static long raw_call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result = number;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static void log_line(const char* line, int length) {
  if (log_fd >= 0 && length > 0)
    raw_call(SYS_write, log_fd, (long)line, length, 0, 0, 0);
}

__attribute__((constructor)) static void begin(void) {
  const char* log = getenv("FAULTS_LOG");
  if (!log)
    return;
  const int high = 500; // out of the way of the program's own descriptors
  const long opened = raw_call(SYS_openat, AT_FDCWD, (long)log,
                               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600, 0, 0);
  log_fd = (int)raw_call(SYS_fcntl, opened, F_DUPFD_CLOEXEC, high, 0, 0, 0);
  raw_call(SYS_close, opened, 0, 0, 0, 0, 0);
  const long page = raw_call(SYS_mmap, 0, sizeof(struct chosen), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (log_fd < 0 || page < 0)
    abort();
  struct chosen* made = (struct chosen*)page;
  const char* site = getenv("FAULTS_SITE");
  const char* kind = getenv("FAULTS_KIND");
  const char* nth = getenv("FAULTS_NTH");
  made->site = site ? strtoull(site, NULL, 16) : 0;
  made->error = kind ? atoi(kind) : 0;
  made->nth = nth ? atoi(nth) : 1;
  void* warm[2];
  backtrace(warm, 2); // its first call takes memory
  // What this program starts is not to fail.
  unsetenv("LD_PRELOAD");
  unsetenv("FAULTS_LOG");
  chosen = made;
}

// ---- where a call comes from --------------------------------------------------------------------

static uint64_t mix(uint64_t hash, const void* bytes, size_t size) {
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ ((const unsigned char*)bytes)[i]) * 0x100000001b3U;
  return hash;
}

struct place {
  const char* module; // empty: the program
  uint64_t offset;
};

static const char* file_name(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/// The return addresses that make up a call site; how many.
static int find_places(struct place* places) {
  struct dl_find_object own;
  struct dl_find_object found;
  void* frames[most_frames];
  const int count = backtrace(frames, most_frames);
  if (_dl_find_object((void*)(uintptr_t)&find_places, &own) != 0)
    return 0;
  int in_libraries = 0;
  int in_program = 0;
  int kept = 0;
  for (int i = 0; i < count && in_program < program_frames; i++) {
    if (_dl_find_object(frames[i], &found) != 0 || found.dlfo_link_map == own.dlfo_link_map)
      continue;
    const char* module = file_name(found.dlfo_link_map->l_name);
    const bool program = *module == 0;
    if (program ? false : in_program > 0 || in_libraries >= library_frames)
      continue;
    in_program += program;
    in_libraries += !program;
    places[kept++] = (struct place){module, (uintptr_t)frames[i] - found.dlfo_link_map->l_addr};
  }
  return kept;
}

static bool is_new(uint64_t site) {
  for (uint64_t at = site;; at++) {
    _Atomic uint64_t* slot = &seen[at % most_sites];
    uint64_t expected = 0;
    if (atomic_compare_exchange_strong(slot, &expected, site))
      return true;
    if (expected == site)
      return false;
  }
}

static void tell_of(uint64_t site, const char* function, long detail, const struct place* places,
                    int count) {
  char line[1024];
  int length = snprintf(line, sizeof(line), "site %016lx %s %ld", site, function, detail);
  for (int i = 0; i < count && length < (int)sizeof(line) - 128; i++)
    length += snprintf(line + length, 120, " %s+0x%lx", places[i].module, places[i].offset);
  line[length++] = '\n';
  log_line(line, length);
}

enum fate { goes_on, fails, is_short };

static enum fate fate_here(const char* function, long detail) {
  struct place places[most_frames];
  const int count = find_places(places);
  uint64_t site = mix(0xcbf29ce484222325U, function, strlen(function));
  site = mix(site, &detail, sizeof(detail));
  for (int i = 0; i < count; i++) {
    site = mix(site, places[i].module, strlen(places[i].module));
    site = mix(site, &places[i].offset, sizeof(places[i].offset));
  }
  if (chosen->site == 0) {
    if (is_new(site))
      tell_of(site, function, detail, places, count);
    return goes_on;
  }
  if (site != chosen->site || ++chosen->calls != chosen->nth)
    return goes_on;
  char line[64];
  log_line(line, snprintf(line, sizeof(line), "failed %016lx\n", site));
  return chosen->error ? fails : is_short;
}

/// What is to happen to this call; `detail` tells calls of one function apart.
static enum fate fate_of(const char* function, long detail) {
  if (!chosen || inside)
    return goes_on;
  const int before = errno;
  inside = true;
  const enum fate fate = fate_here(function, detail);
  inside = false;
  errno = fate == fails ? chosen->error : before;
  return fate;
}

/// Of `size` bytes that were asked for, at least one: what a file of /proc has is never so short.
static size_t few_of(size_t size) {
  const size_t few = 16;
  return size < 2 ? size : size / 2 < few ? size / 2 : few;
}

/// An eventfd, signalfd or perf event gives all or nothing.
static size_t shortened(int fd, size_t size) {
  char path[32];
  char name[16] = "";
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  raw_call(SYS_readlink, (long)path, (long)name, sizeof(name) - 1, 0, 0, 0);
  return strncmp(name, "anon_inode:", 11) == 0 ? size : few_of(size);
}

// ---- what is wrapped ----------------------------------------------------------------------------

#define REAL(function)                                                                             \
  static __typeof__(&function) real;                                                               \
  if (!real)                                                                                       \
  real = (__typeof__(&function))dlsym(RTLD_NEXT, #function)

/// A function that returns `bad` and sets errno.
#define WRAP(result, bad, function, parameters, arguments)                                         \
  result function parameters {                                                                     \
    REAL(function);                                                                                \
    return fate_of(#function, 0) == fails ? (bad) : real arguments;                                \
  }

/// A function that moves up to `size` bytes.
#define WRAP_SIZED(function, parameters, size, arguments)                                          \
  ssize_t function parameters {                                                                    \
    REAL(function);                                                                                \
    switch (fate_of(#function, 0)) {                                                               \
    case fails:                                                                                    \
      return -1;                                                                                   \
    case is_short:                                                                                 \
      size = shortened(fd, size);                                                                  \
      break;                                                                                       \
    default:                                                                                       \
      break;                                                                                       \
    }                                                                                              \
    return real arguments;                                                                         \
  }

/// open and its like, whose last parameter may be missing.
#define WRAP_OPEN(function, parameters, last, arguments)                                           \
  int function parameters {                                                                        \
    REAL(function);                                                                                \
    va_list rest;                                                                                  \
    va_start(rest, last);                                                                          \
    const mode_t mode = (last) & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;               \
    va_end(rest);                                                                                  \
    return fate_of(#function, 0) == fails ? -1 : real arguments;                                   \
  }

#pragma GCC diagnostic ignored "-Wnonnull-compare"

WRAP_OPEN(open, (const char* path, int flags, ...), flags, (path, flags, mode))
WRAP_OPEN(open64, (const char* path, int flags, ...), flags, (path, flags, mode))
WRAP_OPEN(openat, (int folder, const char* path, int flags, ...), flags,
          (folder, path, flags, mode))
WRAP_OPEN(openat64, (int folder, const char* path, int flags, ...), flags,
          (folder, path, flags, mode))
int __open_2(const char* path, int flags);
WRAP(int, -1, __open_2, (const char* path, int flags), (path, flags))
int __open64_2(const char* path, int flags);
WRAP(int, -1, __open64_2, (const char* path, int flags), (path, flags))
WRAP(FILE*, NULL, fopen, (const char* path, const char* mode), (path, mode))
WRAP(FILE*, NULL, fopen64, (const char* path, const char* mode), (path, mode))
WRAP(DIR*, NULL, opendir, (const char* path), (path))
WRAP(DIR*, NULL, fdopendir, (int fd), (fd))
WRAP(struct dirent*, NULL, readdir, (DIR * folder), (folder))
WRAP(struct dirent64*, NULL, readdir64, (DIR * folder), (folder))
WRAP(int, -1, mkdir, (const char* path, mode_t mode), (path, mode))
WRAP(int, -1, mkostemp, (char* path, int flags), (path, flags))
WRAP(int, -1, mkstemp, (char* path), (path))

WRAP_SIZED(read, (int fd, void* to, size_t size), size, (fd, to, size))
WRAP_SIZED(pread, (int fd, void* to, size_t size, off_t at), size, (fd, to, size, at))
WRAP_SIZED(pread64, (int fd, void* to, size_t size, off64_t at), size, (fd, to, size, at))
ssize_t __read_chk(int fd, void* to, size_t size, size_t room);
WRAP_SIZED(__read_chk, (int fd, void* to, size_t size, size_t room), size, (fd, to, size, room))
ssize_t __pread_chk(int fd, void* to, size_t size, off_t at, size_t room);
WRAP_SIZED(__pread_chk, (int fd, void* to, size_t size, off_t at, size_t room), size,
           (fd, to, size, at, room))
ssize_t __pread64_chk(int fd, void* to, size_t size, off64_t at, size_t room);
WRAP_SIZED(__pread64_chk, (int fd, void* to, size_t size, off64_t at, size_t room), size,
           (fd, to, size, at, room))
WRAP_SIZED(write, (int fd, const void* from, size_t size), size, (fd, from, size))
WRAP(ssize_t, -1, writev, (int fd, const struct iovec* from, int count), (fd, from, count))
WRAP(ssize_t, -1, readlink, (const char* path, char* to, size_t size), (path, to, size))
WRAP(ssize_t, -1, readlinkat, (int folder, const char* path, char* to, size_t size),
     (folder, path, to, size))

size_t fread(void* to, size_t size, size_t count, FILE* file) {
  REAL(fread);
  return real(to, size, fate_of("fread", 0) == goes_on ? count : count / 2, file);
}

ssize_t process_vm_readv(pid_t pid, const struct iovec* to, unsigned long to_count,
                         const struct iovec* from, unsigned long from_count, unsigned long flags) {
  REAL(process_vm_readv);
  const enum fate fate = fate_of("process_vm_readv", 0);
  if (fate == fails)
    return -1;
  if (fate == goes_on || to_count == 0)
    return real(pid, to, to_count, from, from_count, flags);
  const struct iovec less = {to[0].iov_base, few_of(to[0].iov_len)};
  return real(pid, &less, 1, from, from_count, flags);
}

WRAP(int, -1, stat, (const char* path, struct stat* info), (path, info))
WRAP(int, -1, lstat, (const char* path, struct stat* info), (path, info))
WRAP(int, -1, fstat, (int fd, struct stat* info), (fd, info))
WRAP(int, -1, fstat64, (int fd, struct stat64* info), (fd, info))
WRAP(int, -1, fstatat, (int folder, const char* path, struct stat* info, int flags),
     (folder, path, info, flags))
WRAP(int, -1, access, (const char* path, int how), (path, how))
WRAP(int, -1, faccessat, (int folder, const char* path, int how, int flags),
     (folder, path, how, flags))
WRAP(int, -1, fsync, (int fd), (fd))
WRAP(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, -1, fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
WRAP(int, -1, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, -1, rename, (const char* from, const char* to), (from, to))
WRAP(int, -1, renameat, (int a, const char* from, int b, const char* to), (a, from, b, to))
WRAP(int, -1, linkat, (int a, const char* from, int b, const char* to, int flags),
     (a, from, b, to, flags))

WRAP(void*, MAP_FAILED, mmap, (void* at, size_t size, int rights, int flags, int fd, off_t from),
     (at, size, rights, flags, fd, from))
WRAP(void*, MAP_FAILED, mmap64,
     (void* at, size_t size, int rights, int flags, int fd, off64_t from),
     (at, size, rights, flags, fd, from))

WRAP(int, -1, epoll_create1, (int flags), (flags))
WRAP(int, -1, epoll_ctl, (int epoll, int what, int fd, struct epoll_event* event),
     (epoll, what, fd, event))
WRAP(int, -1, epoll_wait, (int epoll, struct epoll_event* events, int most, int wait),
     (epoll, events, most, wait))
WRAP(int, -1, poll, (struct pollfd * fds, nfds_t count, int wait), (fds, count, wait))
WRAP(int, -1, ppoll,
     (struct pollfd * fds, nfds_t count, const struct timespec* wait, const sigset_t* mask),
     (fds, count, wait, mask))
WRAP(int, -1, signalfd, (int fd, const sigset_t* mask, int flags), (fd, mask, flags))
WRAP(int, -1, eventfd, (unsigned int value, int flags), (value, flags))
WRAP(int, -1, pipe2, (int ends[2], int flags), (ends, flags))
WRAP(pid_t, -1, fork, (void), ())
WRAP(int, -1, execvp, (const char* file, char* const* arguments), (file, arguments))
WRAP(pid_t, -1, waitpid, (pid_t pid, int* status, int how), (pid, status, how))
WRAP(int, -1, setrlimit, (__rlimit_resource_t what, const struct rlimit* limit), (what, limit))
WRAP(int, -1, getrlimit, (__rlimit_resource_t what, struct rlimit* limit), (what, limit))

int pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*run)(void*), void* with) {
  REAL(pthread_create);
  return fate_of("pthread_create", 0) == fails ? chosen->error : real(thread, how, run, with);
}

int ioctl(int fd, unsigned long request, ...) {
  REAL(ioctl);
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  return fate_of("ioctl", (long)request) == fails ? -1 : real(fd, request, argument);
}

int fcntl(int fd, int what, ...) {
  REAL(fcntl);
  va_list rest;
  va_start(rest, what);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  return fate_of("fcntl", what) == fails ? -1 : real(fd, what, argument);
}

int fcntl64(int fd, int what, ...) {
  REAL(fcntl64);
  va_list rest;
  va_start(rest, what);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  return fate_of("fcntl", what) == fails ? -1 : real(fd, what, argument);
}

/// The name of a system call that may fail here; null: it is let through.
static const char* known_call(long number) {
  switch (number) {
  case SYS_bpf:
    return "bpf";
  case SYS_perf_event_open:
    return "perf_event_open";
  case SYS_openat2:
    return "openat2";
  case SYS_process_vm_readv:
    return "process_vm_readv";
  case SYS_memfd_create:
    return "memfd_create";
  case SYS_pidfd_open:
    return "pidfd_open";
  default:
    return NULL;
  }
}

long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long arguments[6];
  for (int i = 0; i < 6; i++)
    arguments[i] = va_arg(rest, long);
  va_end(rest);
  const char* name = known_call(number);
  if (name && fate_of(name, number == SYS_bpf ? arguments[0] : 0) == fails)
    return -1;
  const long result = raw_call(number, arguments[0], arguments[1], arguments[2], arguments[3],
                               arguments[4], arguments[5]);
  if (result >= 0 || result < -4095)
    return result;
  errno = (int)-result;
  return -1;
}
