// SPDX-License-Identifier: Apache-2.0
// Keeps its own ledger of every byte it takes and does not give back, for the end-to-end tests.
//
//   ledger CASE [COUNT [alone]]
//
// Says "ready PID", waits for a line on standard input, runs the case COUNT times with four threads
// that churn beside it (but for "alone"), lets them rest, says what is outstanding ("KIND BYTES
// COUNT"), "done", and waits for another line. Nothing outside the ledger is taken between "ready"
// and "done": output goes through write(2), threads are made before.
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct Account {
  std::atomic<std::int64_t> bytes{0};
  std::atomic<std::int64_t> count{0};
  void took(std::size_t size) {
    bytes += static_cast<std::int64_t>(size);
    count++;
  }
  void gave(std::size_t size) {
    bytes -= static_cast<std::int64_t>(size);
    count--;
  }
};

// Globals, because the cases are plain functions and the churn threads share them.
Account heap;
Account mapped;
Account broken; // taken with brk
std::atomic<bool> churning{false};
std::atomic<int> resting{0};
std::atomic<int> churned{0};
int count = 500;

constexpr std::size_t page = 4096;
constexpr int churn_threads = 4;

// ---- talking, without the heap ------------------------------------------------------------------

/// One line, in one write: parent and child share the pipe.
class Line {
public:
  Line& add(const char* text) {
    const std::size_t length = std::strlen(text);
    std::memcpy(&text_[length_], text, length);
    length_ += length;
    return *this;
  }
  Line& add(std::int64_t value) {
    std::array<char, 24> digits{};
    std::size_t at = digits.size() - 1;
    const bool negative = value < 0;
    auto rest = static_cast<std::uint64_t>(negative ? -value : value);
    do {
      digits[--at] = static_cast<char>('0' + rest % 10);
      rest /= 10;
    } while (rest != 0);
    if (negative)
      digits[--at] = '-';
    return add(&digits[at]);
  }
  void write_out() {
    add("\n");
    (void)!write(STDOUT_FILENO, text_.data(), length_);
  }

private:
  std::array<char, 256> text_{};
  std::size_t length_ = 0;
};

void say_account(const char* kind, const Account& account) {
  Line()
      .add(kind)
      .add(" ")
      .add(account.bytes.load())
      .add(" ")
      .add(account.count.load())
      .write_out();
}

bool hear_line() {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) == 1)
    if (byte == '\n')
      return true;
  return false;
}

// ---- churn --------------------------------------------------------------------------------------

struct Slot {
  void* block = nullptr;
  std::size_t size = 0;
};

std::uint32_t next_random(std::uint32_t& state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

void churn_once(std::array<Slot, 64>& slots, std::uint32_t& random) {
  Slot& slot = slots[next_random(random) % slots.size()];
  const std::size_t size = next_random(random) % 3000;
  if (slot.block && next_random(random) % 3 == 0) {
    void* moved = std::realloc(slot.block, size + 1);
    heap.gave(slot.size);
    slot = {moved, size + 1};
    heap.took(slot.size);
    return;
  }
  if (slot.block) {
    std::free(slot.block);
    heap.gave(slot.size);
    slot = {};
    return;
  }
  slot.block = next_random(random) % 2 ? std::malloc(size) : std::calloc(1, size);
  slot.size = size;
  heap.took(size);
}

void* churn(void* seed) {
  std::array<Slot, 64> slots{};
  auto random =
      static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(seed)) * 2654435761U + 1;
  resting++;
  for (;;) {
    while (!churning)
      usleep(200);
    resting--;
    while (churning) {
      churn_once(slots, random);
      churned++;
    }
    resting++;
  }
  return nullptr;
}

void start_churn_threads() {
  for (std::uintptr_t i = 1; i <= churn_threads; i++) {
    pthread_t thread{};
    pthread_create(&thread, nullptr, churn, reinterpret_cast<void*>(i)); // NOLINT
  }
  while (resting < churn_threads)
    usleep(200);
}

void rest() {
  while (churning && churned < 1000)
    usleep(200);
  churning = false;
  while (resting < churn_threads)
    usleep(200);
}

// ---- cases: each leaves something outstanding, and gives something back
// --------------------------

/// Keeps every third block.
void settle(void* block, std::size_t size, int i) {
  if (!block)
    _exit(9);
  heap.took(size);
  if (i % 3 != 0) {
    std::free(block);
    heap.gave(size);
  }
}

std::size_t size_of(int i) {
  return static_cast<std::size_t>(i) * 7 % 5000;
}

void case_malloc() {
  for (int i = 0; i < count; i++)
    settle(std::malloc(size_of(i)), size_of(i), i);
}

void case_malloc_fails() {
  case_malloc();
  volatile std::size_t huge = PTRDIFF_MAX;
  for (int i = 0; i < count; i++)
    if (std::malloc(huge) || std::calloc(huge, 4))
      _exit(9);
}

void case_calloc() {
  for (int i = 0; i < count; i++)
    settle(std::calloc(static_cast<std::size_t>(i % 9), size_of(i)),
           static_cast<std::size_t>(i % 9) * size_of(i), i);
}

void case_realloc() { // grows, shrinks, moves
  for (int i = 0; i < count; i++) {
    void* block = std::malloc(100);
    block = std::realloc(block, 50);
    block = std::realloc(block, size_of(i) + 1000);
    void* wall = std::malloc(16); // so that the next one must move
    block = std::realloc(block, size_of(i) + 200'000);
    std::free(wall);
    settle(block, size_of(i) + 200'000, i);
    if (i % 3 == 0) { // do not keep 200 KB of each
      block = std::realloc(block, 10);
      heap.gave(size_of(i) + 200'000);
      heap.took(10);
    }
  }
}

void case_realloc_null() {
  for (int i = 0; i < count; i++)
    settle(std::realloc(nullptr, size_of(i) + 1), size_of(i) + 1, i);
}

void case_realloc_zero() { // glibc frees and returns NULL
  for (int i = 0; i < count; i++) {
    void* block = std::malloc(64);
    heap.took(64);
    volatile std::size_t zero = 0;
    if (std::realloc(block, zero)) // NOLINT
      _exit(9);
    heap.gave(64);
  }
}

void case_realloc_fails() { // the old block stays
  volatile std::size_t huge = PTRDIFF_MAX;
  for (int i = 0; i < count; i++) {
    void* block = std::malloc(size_of(i));
    void* moved = std::realloc(block, huge); // NOLINT
    if (moved)
      _exit(9);
    settle(block, size_of(i), i); // NOLINT
  }
}

void case_reallocarray() {
  volatile std::size_t huge = SIZE_MAX / 2;
  for (int i = 0; i < count; i++) {
    void* block = reallocarray(nullptr, 3, size_of(i) + 1);
    block = reallocarray(block, 5, size_of(i) + 1);
    if (reallocarray(block, huge, 3)) // NOLINT
      _exit(9);
    settle(block, 5 * (size_of(i) + 1), i);
  }
}

void case_posix_memalign() {
  for (int i = 0; i < count; i++) {
    void* block = nullptr;
    if (posix_memalign(&block, 64U << (i % 5), size_of(i)))
      _exit(9);
    settle(block, size_of(i), i);
    void* untouched = &block; // what a failed call leaves must not be taken for a block
    if (posix_memalign(&untouched, 3, 100) != EINVAL)
      _exit(9);
  }
}

void case_aligned_alloc() {
  for (int i = 0; i < count; i++)
    settle(aligned_alloc(64, 64 * static_cast<std::size_t>(i % 50)),
           64 * static_cast<std::size_t>(i % 50), i);
}

void case_memalign() {
  for (int i = 0; i < count; i++)
    settle(memalign(256, size_of(i)), size_of(i), i);
}

void case_valloc() {
  for (int i = 0; i < count; i++)
    settle(valloc(size_of(i)), size_of(i), i);
}

void case_pvalloc() {
  for (int i = 0; i < count; i++)
    settle(pvalloc(size_of(i)), size_of(i), i);
}

void case_cfree() { // only old programs call it: it has no default version
  using Free = void (*)(void*);
  const auto old_free =
      reinterpret_cast<Free>(dlvsym(RTLD_DEFAULT, "cfree", "GLIBC_2.2.5")); // NOLINT
  if (!old_free)
    _exit(9);
  for (int i = 0; i < count; i++) {
    void* block = std::malloc(size_of(i));
    if (i % 3 == 0)
      heap.took(size_of(i));
    else
      old_free(block);
  }
}

struct alignas(128) Wide {
  std::array<char, 256> bytes;
};
struct Small {
  std::array<char, 24> bytes;
};

template <class T> void keep_or_delete(T* object, int i) {
  heap.took(sizeof(T));
  if (i % 3 == 0)
    return;
  delete object;
  heap.gave(sizeof(T));
}

void case_new_delete() {
  for (int i = 0; i < count; i++) {
    keep_or_delete(new Small, i);
    keep_or_delete(new (std::nothrow) Small, i + 1);
    keep_or_delete(new Wide, i + 2);
    keep_or_delete(new (std::nothrow) Wide, i);
    Small* array = new Small[static_cast<std::size_t>(i % 7 + 1)];
    Wide* wide = new Wide[2];
    if (i % 5 == 0) {
      heap.took(sizeof(Small) * static_cast<std::size_t>(i % 7 + 1));
      heap.took(2 * sizeof(Wide));
    } else {
      delete[] array;
      delete[] wide;
    }
    void* raw = ::operator new(size_of(i) + 1); // and each deallocation function by name
    switch (i % 4) {
    case 0:
      ::operator delete(raw);
      break;
    case 1:
      ::operator delete(raw, size_of(i) + 1);
      break;
    case 2:
      ::operator delete(raw, std::nothrow);
      break;
    default:
      heap.took(size_of(i) + 1);
    }
    void* aligned = ::operator new (512, std::align_val_t{128});
    ::operator delete (aligned, 512, std::align_val_t{128});
  }
}

void case_strdup() {
  for (int i = 0; i < count; i++) {
    settle(strdup("a string that is copied"), 24, i);
    settle(strndup("a string that is cut", 8), 9, i + 1);
  }
}

void* free_them(void* blocks) {
  auto** list = static_cast<void**>(blocks);
  for (int i = 0; i < count; i++)
    std::free(list[i]);
  return nullptr;
}

std::atomic<void**> handed_over{nullptr};
void* freeing_thread(void* /*unused*/) {
  for (;;) {
    while (!handed_over)
      usleep(100);
    free_them(handed_over);
    handed_over = nullptr;
  }
}

void case_cross_thread_free() {
  auto** list = static_cast<void**>(std::malloc(static_cast<std::size_t>(count) * sizeof(void*)));
  heap.took(static_cast<std::size_t>(count) * sizeof(void*));
  for (int i = 0; i < count; i++)
    list[i] = std::malloc(size_of(i));
  handed_over = list;
  while (handed_over)
    usleep(100);
}

/// What every allocator's family has.
void case_family() {
  for (const auto run : {case_malloc, case_calloc, case_realloc, case_realloc_null,
                         case_posix_memalign, case_aligned_alloc, case_memalign, case_valloc,
                         case_new_delete, case_strdup, case_cross_thread_free})
    run();
}

// ---- ranges -------------------------------------------------------------------------------------

char* map_pages(std::size_t pages) {
  void* range =
      mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (range == MAP_FAILED)
    _exit(9);
  mapped.took(pages * page);
  return static_cast<char*>(range);
}

/// Gives back part of a mapping: bytes, and the mapping itself with its last page.
void unmap(char* range, std::size_t pages, bool last) {
  if (munmap(range, pages * page))
    _exit(9);
  mapped.bytes -= static_cast<std::int64_t>(pages * page);
  mapped.count -= last ? 1 : 0;
}

int range_count() {
  return count < 100 ? count : 100;
}

void case_mmap() {
  for (int i = 0; i < range_count(); i++) {
    char* range = map_pages(static_cast<std::size_t>(i % 5 + 1));
    if (i % 3 != 0)
      unmap(range, static_cast<std::size_t>(i % 5 + 1), true);
    if (mmap(nullptr, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) // EINVAL
      _exit(9);
    void* odd = mmap64(nullptr, 100, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); // rounded up
    mapped.took(page);
    if (i % 2)
      unmap(static_cast<char*>(odd), 1, true);
  }
}

void case_munmap_part() {
  for (int i = 0; i < range_count(); i++) {
    char* range = map_pages(10);
    unmap(range, 2, false);            // the head
    unmap(range + 8 * page, 2, false); // the tail
    unmap(range + 4 * page, 1, false); // a hole: [2,4) and [5,8) stay
    if (munmap(range + 1, page) == 0)  // not aligned
      _exit(9);
    if (i % 2) {
      unmap(range + 2 * page, 2, false);
      unmap(range + 5 * page, 3, true);
    }
  }
}

void case_munmap_many() { // one call over several mappings
  for (int i = 0; i < range_count(); i++) {
    char* range = map_pages(12);
    for (std::size_t at : {0, 4, 8}) { // three mappings in its place
      void* part = mmap(range + at * page, 4 * page, PROT_READ,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      if (part != range + at * page)
        _exit(9);
      mapped.count++;
    }
    mapped.count--; // the first one is covered now
    if (i % 2) {
      munmap(range + 2 * page, 8 * page);
      mapped.bytes -= static_cast<std::int64_t>(8 * page);
      mapped.count -= 1; // the middle one; two pages stay of the others
    }
  }
}

void case_mremap() {
  for (int i = 0; i < range_count(); i++) {
    char* range = map_pages(4);
    range = static_cast<char*>(mremap(range, 4 * page, 2 * page, 0)); // shrinks in place
    mapped.bytes -= static_cast<std::int64_t>(2 * page);
    char* wall = map_pages(1);
    range = static_cast<char*>(mremap(range, 2 * page, 64 * page, MREMAP_MAYMOVE)); // moves
    if (range == MAP_FAILED)
      _exit(9);
    mapped.bytes += static_cast<std::int64_t>(62 * page);
    if (mremap(range, 64 * page, std::size_t{1} << 46, MREMAP_MAYMOVE) != MAP_FAILED) // stays
      _exit(9);
    unmap(wall, 1, true);
    if (i % 3 != 0)
      unmap(range, 64, true);
  }
}

void case_sbrk() {
  for (int i = 0; i < range_count(); i++) {
    if (sbrk(static_cast<std::intptr_t>(3 * page)) == reinterpret_cast<void*>(-1)) // NOLINT
      _exit(9);
    broken.took(3 * page);
    sbrk(0);
    if (i % 2) {
      sbrk(-static_cast<std::intptr_t>(3 * page));
      broken.gave(3 * page);
    }
  }
}

void case_brk() {
  for (int i = 0; i < range_count(); i++) {
    char* end = static_cast<char*>(sbrk(0));
    if (brk(end + 5 * page))
      _exit(9);
    broken.took(5 * page);
    if (i % 2) {
      brk(end);
      broken.gave(5 * page);
    }
  }
}

// ---- what goes wrong ----------------------------------------------------------------------------

std::atomic<int> dying{0};
void* victim(void* /*unused*/) {
  while (dying != 1)
    usleep(100);
  const std::size_t size = std::size_t{128} << 20; // long enough in the kernel to be hit there
  mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  dying = 3; // not reached: the handler ends the thread before mmap returns
  return nullptr;
}
pthread_t victim_thread;

void end_thread(int /*signal*/) {
  dying = 2;
  syscall(SYS_exit, 0);
}

void case_thread_dies() { // inside mmap: its return is never seen, everything else must be right
  case_malloc();
  dying = 1;
  usleep(5000);
  pthread_kill(victim_thread, SIGUSR1);
  while (dying == 1)
    usleep(100);
  if (dying != 2)
    _exit(8);
  case_malloc();
}

int tell_child = -1;

void case_fork() { // the child has a ledger of its own; the parent's blocks are not in it
  case_malloc();
  std::array<int, 2> pipe_ends{};
  if (pipe(pipe_ends.data()))
    _exit(9);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte = 0;
    (void)!read(pipe_ends[0], &byte, 1);
    heap.bytes = 0;
    heap.count = 0;
    case_malloc();
    say_account("child-heap", heap);
    Line().add("child-done").write_out();
    pause();
    _exit(0);
  }
  Line().add("forked ").add(std::int64_t{child}).write_out();
  tell_child = pipe_ends[1];
  hear_line(); // the child is being traced
  (void)!write(tell_child, "x", 1);
  case_malloc();
}

char* own_path = nullptr;
void case_exec() { // starts anew: what this image holds is not the next one's
  case_malloc();
  std::array<char, 24> name{"calloc"};
  std::array<char, 24> rounds{"700"};
  std::array<char, 24> alone{"alone"};
  std::array<char*, 5> arguments{own_path, name.data(), rounds.data(), alone.data(), nullptr};
  execv("/proc/self/exe", arguments.data());
  _exit(9);
}

struct Case {
  std::string_view name;
  void (*run)();
};

constexpr std::array cases{
    Case{"malloc", case_malloc},
    Case{"malloc-fails", case_malloc_fails},
    Case{"calloc", case_calloc},
    Case{"realloc", case_realloc},
    Case{"realloc-null", case_realloc_null},
    Case{"realloc-zero", case_realloc_zero},
    Case{"realloc-fails", case_realloc_fails},
    Case{"reallocarray", case_reallocarray},
    Case{"posix_memalign", case_posix_memalign},
    Case{"aligned_alloc", case_aligned_alloc},
    Case{"memalign", case_memalign},
    Case{"valloc", case_valloc},
    Case{"pvalloc", case_pvalloc},
    Case{"cfree", case_cfree},
    Case{"new-delete", case_new_delete},
    Case{"strdup", case_strdup},
    Case{"cross-thread-free", case_cross_thread_free},
    Case{"family", case_family},
    Case{"mmap", case_mmap},
    Case{"munmap-part", case_munmap_part},
    Case{"munmap-many", case_munmap_many},
    Case{"mremap", case_mremap},
    Case{"sbrk", case_sbrk},
    Case{"brk", case_brk},
    Case{"thread-dies", case_thread_dies},
    Case{"fork", case_fork},
    Case{"exec", case_exec},
};

} // namespace

int main(int argc, char** argv) {
  own_path = argv[0];
  if (argc < 2) {
    for (const Case& one : cases) {
      Line().add(one.name.data()).write_out();
    }
    return 0;
  }
  if (argc > 2)
    count = std::atoi(argv[2]); // NOLINT
  const Case* chosen = nullptr;
  for (const Case& one : cases)
    if (one.name == argv[1])
      chosen = &one;
  if (!chosen)
    return 2;
  start_churn_threads();
  std::signal(SIGUSR1, end_thread);
  pthread_create(&victim_thread, nullptr, victim, nullptr);
  pthread_t freeing{};
  pthread_create(&freeing, nullptr, freeing_thread, nullptr);
  Line().add("ready ").add(std::int64_t{getpid()}).write_out();
  hear_line();
  churning = argc < 4; // in arenas of their own: only this thread's malloc and the case use brk
  chosen->run();
  rest();
  say_account("heap", heap);
  say_account("mmap", mapped);
  say_account("brk", broken);
  Line().add("done").write_out();
  hear_line();
  _exit(0);
}
