// SPDX-License-Identifier: Apache-2.0
// Takes memory under a filter of its system calls, as strict as the one that Docker puts on every
// container: what is not on the list is refused, and here the process is killed for it.
//
//   seccomp_filtered COUNT [refuse | exec]
//
// Says "ready", waits for a line, takes COUNT blocks in each of two threads and gives every third
// back, says "heap BYTES COUNT" of what it kept, and "done". After another line it says "churns",
// and takes and gives back until a third one comes: who takes the probes out does it under its
// feet. Ends with 3. With "refuse" the calls that are not on the list fail, and nobody is killed
// for them; with "exec" it runs itself again under the filter.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ALLOW(call)                                                                                \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                           \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

// What glibc and this program call: none newer than any kernel that leakbpf knows.
static int put_on_filter(unsigned otherwise) {
  struct sock_filter program[] = {
      LOAD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      LOAD(nr),
      ALLOW(read),
      ALLOW(write),
      ALLOW(brk),
      ALLOW(mmap),
      ALLOW(munmap),
      ALLOW(mremap),
      ALLOW(mprotect),
      ALLOW(madvise),
      ALLOW(futex),
      ALLOW(clone),
      ALLOW(clone3),
      ALLOW(set_robust_list),
      ALLOW(rseq),
      ALLOW(rt_sigaction),
      ALLOW(rt_sigprocmask),
      ALLOW(rt_sigreturn),
      ALLOW(execve),
      ALLOW(arch_prctl),
      ALLOW(prctl),
      ALLOW(set_tid_address),
      ALLOW(prlimit64),
      ALLOW(access),
      ALLOW(openat),
      ALLOW(pread64),
      ALLOW(fstat),
      ALLOW(close),
      ALLOW(getrandom),
      ALLOW(newfstatat),
      ALLOW(poll),
      ALLOW(exit),
      ALLOW(exit_group),
      BPF_STMT(BPF_RET | BPF_K, otherwise),
  };
  const struct sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

struct account {
  long bytes;
  long count;
};

static void keep_some(struct account* account) {
  const long wanted = account->count;
  account->count = 0;
  for (long i = 0; i < wanted; i++) {
    const size_t size = (size_t)(i * 37 % 5000 + 1);
    void* block = i % 2 ? malloc(size) : realloc(calloc(1, size / 2 + 1), size);
    if (!block)
      _exit(9);
    memset(block, 1, size);
    if (i % 3 == 0) {
      free(block);
      continue;
    }
    account->bytes += (long)size;
    account->count++;
  }
}

static int hears_line(void) {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) == 1)
    if (byte == '\n')
      return 1;
  return 0;
}

static void say(const char* line) {
  (void)!write(STDOUT_FILENO, line, strlen(line));
}

static pthread_barrier_t turn;
static volatile int churning = 1;

static void* work(void* account) {
  pthread_barrier_wait(&turn);
  keep_some(account);
  pthread_barrier_wait(&turn);
  pthread_barrier_wait(&turn);
  while (churning)
    free(malloc(100));
  return NULL;
}

int main(int count, char** arguments) {
  const char* word = count > 2 ? arguments[2] : "";
  const unsigned otherwise =
      strcmp(word, "refuse") == 0 ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_KILL_PROCESS;
  struct account kept[2] = {{0, atol(arguments[1])}, {0, atol(arguments[1])}};
  char line[100];
  pthread_t other;
  if (!put_on_filter(otherwise))
    return 8;
  if (strcmp(word, "exec") == 0)
    return execl(arguments[0], arguments[0], arguments[1], (char*)NULL);
  pthread_barrier_init(&turn, NULL, 2);
  // A thread's start takes memory, too: it is made before anything counts.
  if (pthread_create(&other, NULL, work, &kept[1]) != 0)
    return 7;
  say("ready\n");
  if (!hears_line())
    return 6;
  pthread_barrier_wait(&turn);
  keep_some(&kept[0]);
  pthread_barrier_wait(&turn);
  snprintf(line, sizeof(line), "heap %ld %ld\ndone\n", kept[0].bytes + kept[1].bytes,
           kept[0].count + kept[1].count);
  say(line);
  if (!hears_line())
    return 6;
  pthread_barrier_wait(&turn);
  say("churns\n");
  hears_line();
  churning = 0;
  pthread_join(other, NULL);
  return 3;
}
