// SPDX-License-Identifier: Apache-2.0
// Maps a file as code and allocates in a loop: "hostile_mapping FILE MODE". What it does to the file
// meanwhile is the mode:
//   stay     nothing
//   cut      makes it short and whole again, over and over, at an unchanging time of change
//   inode    puts a FIFO with the same inode number in its place. The file must lie in a directory
//            of its own; needs the rights to mount, and a mount namespace of its own
//   many     maps its first page 30,000 times more, each beside nothing else
//   grow     makes the file 4 GiB long, all but its begin a hole, and maps all of it
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

volatile void* last_block;

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static void allocate(void) {
  last_block = malloc(9000);
  usleep(2000);
}

/// Parts of a file system's inode numbers are given out one after the other.
static void put_fifo(const char* path, ino_t inode) {
  char name[4096];
  for (int i = 0; i < 100000; i++) {
    struct stat info;
    snprintf(name, sizeof(name), "%s.%d", path, i);
    if (mkfifo(name, 0666) || stat(name, &info))
      fail("mkfifo");
    if (info.st_ino == inode) {
      if (rename(name, path))
        fail("rename");
      return;
    }
  }
  fprintf(stderr, "no FIFO with this inode number came\n");
  exit(1);
}

static void replace_by_fifo(const char* path, ino_t inode) {
  char folder[4096];
  snprintf(folder, sizeof(folder), "%s", path);
  *strrchr(folder, '/') = '\0';
  if (mount("none", folder, "tmpfs", 0, ""))
    fail("mount");
  put_fifo(path, inode);
}

static void cut_and_restore(int file, const char* bytes, size_t size) {
  const struct timespec times[2] = {{1000, 0}, {1000, 0}};
  if (pwrite(file, bytes, size, 0) != (ssize_t)size || futimens(file, times))
    fail("write");
  usleep((useconds_t)(rand() % 8000));
  if (ftruncate(file, 4096) || futimens(file, times))
    fail("ftruncate");
  usleep((useconds_t)(rand() % 3000));
}

static void map_often(int file) {
  const size_t page = 4096;
  for (int i = 0; i < 30000; i++) { /* neighbours that differ, so that they stay apart */
    const off_t offset = i % 2 ? 0 : (off_t)page;
    if (mmap(0, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, offset) == MAP_FAILED)
      fail("mmap");
  }
}

int main(int argc, char** argv) {
  if (argc < 3)
    return 2;
  const char* mode = argv[2];
  const int changes = !strcmp(mode, "cut") || !strcmp(mode, "grow");
  const int file = open(argv[1], changes ? O_RDWR : O_RDONLY);
  struct stat info;
  if (file < 0 || (!strcmp(mode, "grow") && ftruncate(file, 4LL << 30)) || fstat(file, &info))
    fail(argv[1]);
  const size_t size = (size_t)info.st_size;
  char* bytes = !strcmp(mode, "cut") ? malloc(size) : 0;
  if (bytes && pread(file, bytes, size, 0) != info.st_size)
    fail("read");
  if (mmap(0, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED)
    fail("mmap");
  if (!strcmp(mode, "inode"))
    replace_by_fifo(argv[1], info.st_ino);
  if (!strcmp(mode, "many"))
    map_often(file);
  puts("ready");
  fflush(stdout);
  for (;;) {
    allocate();
    if (bytes)
      cut_and_restore(file, bytes, size);
  }
}
