// SPDX-License-Identifier: Apache-2.0
// Processes and threads that come and go, for the end-to-end tests.
//
//   storms forks COUNT [FOR-MS]   children of a moment, one after the other, some at a time
//   storms threads COUNT          the same of threads
//   storms spawns COUNT           children by posix_spawn and by vfork
//   storms chain COUNT            one process that runs itself again and again
//   storms main-ends              the main thread ends first, the others go on
//   storms workers COUNT          children that stay, as a prefork server has them
//   storms takes                  no storm: what `spawns` starts
//
// Each says "ready" and waits for a line; when it is through it says "done", waits for another, and
// ends with 3. Each child, thread or program takes BLOCKS blocks of BYTES bytes and keeps them.
// Workers are there when it says "forked", take at the next line, and end at the one after "kept".
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 7, BYTES = 1001, AT_ONCE = 8 };

extern char** environ;

static void say(const char* line) {
  (void)!write(STDOUT_FILENO, line, strlen(line));
}

static void hear_line(void) {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) == 1)
    if (byte == '\n')
      return;
}

__attribute__((noinline)) static void keep_blocks(void) {
  for (int i = 0; i < BLOCKS; i++)
    if (!malloc(BYTES))
      _exit(9);
}

/// A child that did not end as it should ends us.
static void wait_for(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 3) {
    say("a child was lost\n");
    _exit(9);
  }
}

/// AT_ONCE at a time; evenly over `for_ms`.
static void storm_of_forks(int count, int for_ms) {
  for (int begun = 0; begun < count; begun += AT_ONCE) {
    pid_t children[AT_ONCE];
    const int now = count - begun < AT_ONCE ? count - begun : AT_ONCE;
    for (int i = 0; i < now; i++) {
      children[i] = fork();
      if (children[i] < 0)
        _exit(8);
      if (children[i] == 0) {
        keep_blocks();
        _exit(3);
      }
    }
    for (int i = 0; i < now; i++)
      wait_for(children[i]);
    usleep((useconds_t)((long)for_ms * 1000 * now / count));
  }
}

static void* keep_in_thread(void* unused) {
  keep_blocks();
  return unused;
}

static void storm_of_threads(int count) {
  for (int begun = 0; begun < count; begun += AT_ONCE) {
    pthread_t threads[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
      if (pthread_create(&threads[i], NULL, keep_in_thread, NULL) != 0)
        _exit(8);
    for (int i = 0; i < AT_ONCE; i++)
      pthread_join(threads[i], NULL);
  }
}

static void storm_of_spawns(int count, char* self) {
  char* arguments[] = {self, "takes", NULL};
  for (int i = 0; i < count; i++) {
    pid_t child = 0;
    if (i % 2) {
      if (posix_spawn(&child, self, NULL, NULL, arguments, environ) != 0)
        _exit(8);
    } else {
      child = vfork();
      if (child == 0) {
        execv(self, arguments);
        _exit(9);
      }
    }
    wait_for(child);
  }
}

/// Says `word` when each of `count` children has said something, and lets all go on at a line.
static void hold(int count, int from_children, const char* word) {
  char byte = 0;
  for (int i = 0; i < count; i++)
    if (read(from_children, &byte, 1) != 1)
      _exit(8);
  say(word);
  hear_line();
}

static void storm_of_workers(int count) {
  int told[2];
  int take[2];
  int end[2];
  if (pipe(told) != 0 || pipe(take) != 0 || pipe(end) != 0)
    _exit(8);
  for (int i = 0; i < count; i++) {
    const pid_t child = fork();
    if (child < 0)
      _exit(8);
    if (child == 0) {
      char byte = 0;
      close(take[1]); // else each would hold the others
      close(end[1]);
      (void)!write(told[1], "f", 1);
      (void)!read(take[0], &byte, 1);
      keep_blocks();
      (void)!write(told[1], "k", 1);
      (void)!read(end[0], &byte, 1);
      _exit(3);
    }
  }
  hold(count, told[0], "forked\n");
  close(take[1]);
  hold(count, told[0], "kept\n");
  close(end[1]);
  for (int i = 0; i < count; i++)
    wait_for(-1);
}

static pthread_t main_thread;

/// Goes on when the main thread has ended.
static void* outlive(void* unused) {
  pthread_join(main_thread, NULL);
  say("alone\n");
  hear_line();
  keep_blocks();
  say("done\n");
  hear_line();
  _exit(3);
  return unused;
}

int main(int count, char** arguments) {
  const char* what = count > 1 ? arguments[1] : "";
  const int times = count > 2 ? atoi(arguments[2]) : 0;
  if (strcmp(what, "takes") == 0) {
    keep_blocks();
    return 3;
  }
  if (strcmp(what, "chain") != 0 || getenv("STORMS_CHAINED") == NULL) {
    say("ready\n");
    hear_line();
  }
  if (strcmp(what, "forks") == 0)
    storm_of_forks(times, count > 3 ? atoi(arguments[3]) : 0);
  else if (strcmp(what, "threads") == 0)
    storm_of_threads(times);
  else if (strcmp(what, "workers") == 0)
    storm_of_workers(times);
  else if (strcmp(what, "spawns") == 0)
    storm_of_spawns(times, arguments[0]);
  else if (strcmp(what, "chain") == 0 && times > 0) {
    char left[16];
    keep_blocks();
    snprintf(left, sizeof(left), "%d", times - 1);
    setenv("STORMS_CHAINED", "1", 1);
    execl(arguments[0], arguments[0], "chain", left, (char*)NULL);
    _exit(9);
  } else if (strcmp(what, "main-ends") == 0) {
    pthread_t other;
    main_thread = pthread_self();
    if (pthread_create(&other, NULL, outlive, NULL) != 0)
      return 8;
    pthread_exit(NULL);
  }
  say("done\n");
  hear_line();
  return 3;
}
