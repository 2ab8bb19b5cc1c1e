/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The one definition of every record that the BPF programs and user space share. Plain C, so that
 * both languages read it; fixed widths, no implicit padding; sizes are asserted below. */
#ifndef LEAKBPF_ABI_H
#define LEAKBPF_ABI_H

#include <leakbpf/python_abi.h>
#include <leakbpf/unwind_abi.h>

#ifdef __cplusplus
#define LEAKBPF_STATIC_ASSERT static_assert
#else
#define LEAKBPF_STATIC_ASSERT _Static_assert
#endif

/* Most frames kept of one stack trace, and the slots for them: a native frame takes one, a Python
 * frame two. With so many slots an entry of `stacks` fills the 2 KiB that the kernel gives it. */
#define LEAKBPF_MAX_FRAMES 127
#define LEAKBPF_STACK_SLOTS 240

/* What an outstanding block is. Values are in map keys. */
enum leakbpf_kind {
  LEAKBPF_KIND_HEAP = 0,
  LEAKBPF_KIND_MMAP = 1,
  LEAKBPF_KIND_BRK = 2,
  LEAKBPF_KIND_PYTHON = 3, /* a pool of Python's allocator of small objects */
  LEAKBPF_KIND_PAGES = 4,  /* a page of the process's own memory, from its page faults */
  LEAKBPF_KIND_COUNT = 5,
};

/* Pages for each one that is followed. */
#define LEAKBPF_PAGES_PER_SAMPLE 16

/* What a probed function does with memory; the attach cookie carries it. */
enum leakbpf_operation {
  LEAKBPF_OP_ALLOCATE = 1,
  LEAKBPF_OP_REALLOCATE = 2,
  LEAKBPF_OP_FREE = 3,
  LEAKBPF_OP_MMAP = 4,
  LEAKBPF_OP_MUNMAP = 5,
  LEAKBPF_OP_MREMAP = 6,
  LEAKBPF_OP_BRK = 7, /* brk and sbrk: what they did is read from the kernel's own mm->brk */
  LEAKBPF_OP_PYTHON_POOL = 8, /* returns the first block of a new pool of 2^(size argument) bytes */
};

/* Attach cookie: bits 0-7 operation; 8-11 index of the size argument; 12-15 index of the argument
 * it is multiplied with (15: none); 16-19 index of the pointer argument (15: none); bit 20: the
 * result is stored where argument 0 points and the function returns an error number; bit 21: the
 * function may call another that is probed; bit 22: the probe is one for every process that maps
 * the file, and counts for targets that share such probes; bit 23: of a null pointer the function
 * does nothing but call another that is probed. */
#define LEAKBPF_NO_ARGUMENT 15ULL
#define LEAKBPF_COOKIE(operation, size_arg, count_arg, pointer_arg, result_in_memory)              \
  ((__u64)(operation) | ((__u64)(size_arg) << 8) | ((__u64)(count_arg) << 12) |                    \
   ((__u64)(pointer_arg) << 16) | ((__u64)(result_in_memory) << 20))
#define LEAKBPF_COOKIE_OPERATION(cookie) ((__u32)((cookie)&0xff))
#define LEAKBPF_COOKIE_SIZE_ARG(cookie) ((__u32)(((cookie) >> 8) & 0xf))
#define LEAKBPF_COOKIE_COUNT_ARG(cookie) ((__u32)(((cookie) >> 12) & 0xf))
#define LEAKBPF_COOKIE_POINTER_ARG(cookie) ((__u32)(((cookie) >> 16) & 0xf))
#define LEAKBPF_COOKIE_RESULT_IN_MEMORY(cookie) ((__u32)(((cookie) >> 20) & 1))
#define LEAKBPF_COOKIE_NESTS (1ULL << 21)
#define LEAKBPF_COOKIE_SHARED (1ULL << 22)
#define LEAKBPF_COOKIE_NULL_ALLOCATES (1ULL << 23)

/* Everything that can be missed. One counter each; user/core/losses maps them to words. */
enum leakbpf_loss {
  LEAKBPF_LOSS_LIVE_TABLE_FULL = 0,  /* a block that could not be followed */
  LEAKBPF_LOSS_STACK_TABLE_FULL = 1, /* its bytes are counted, in the row "stack not recorded" */
  LEAKBPF_LOSS_SITE_TABLE_FULL = 2,  /* an allocation that could not be counted */
  LEAKBPF_LOSS_UNWIND_TRUNCATED = 3, /* stacks deeper than the limit */
  LEAKBPF_LOSS_UNWIND_FAILED = 4,    /* stacks that end before the thread's first function */
  LEAKBPF_LOSS_MISSED_RETURNS = 5,   /* calls whose return was not seen */
  LEAKBPF_LOSS_EVENTS_DROPPED = 6,   /* ring buffer full: mappings, forks, execs, exits */
  LEAKBPF_LOSS_MISSED_FREES = 7,     /* found when the address was handed out again; corrected */
  LEAKBPF_LOSS_NO_TASK_STATE = 8,    /* calls not followed: no memory for a thread's state */
  LEAKBPF_LOSS_STACK_COLLISIONS = 9, /* two stacks with one 64-bit hash */
  LEAKBPF_LOSS_TARGETS_FULL = 10,    /* children not followed */
  LEAKBPF_LOSS_PYTHON_CODE = 11,     /* code objects that were gone before they could be named */
  LEAKBPF_LOSS_TARGETS_EVICTED = 12, /* processes that ended, whose rows made room for others */
  LEAKBPF_LOSS_MISSED_FAULTS = 13,   /* page faults of any process; user space finds them */
  LEAKBPF_LOSS_CHANGED_FILES = 14,   /* files that were rewritten while they were read */
  LEAKBPF_LOSS_KERNEL_TABLES = 15,   /* system calls on maps that failed; user space finds them */
  LEAKBPF_LOSS_TARGETS_NOT_ATTACHED = 16, /* processes that no descriptors were left for */
  LEAKBPF_LOSS_HEAP_UNREAD = 17,          /* pieces of Python heaps; user space finds them */
  LEAKBPF_LOSS_COUNT = 18,
};

/* Value of the map `counters` (per CPU, one element). */
struct leakbpf_counters {
  __u64 losses[LEAKBPF_LOSS_COUNT];
  __u64 page_faults; /* of any process, followed or not, that were looked at */
};

/* Probes that are not of the heap: they stay in all the time, as long as they are hit rarely. */
enum leakbpf_standing {
  LEAKBPF_STANDING_POOLS = 0,    /* of Python's new pools */
  LEAKBPF_STANDING_MAPPINGS = 1, /* mmap, munmap, mremap, brk, sbrk */
  LEAKBPF_STANDING_HOOKS = 2,    /* of the dynamic linker, and of Python's collector and code */
  LEAKBPF_STANDING_PAGES = 3,    /* page faults of followed pages: no probes */
  LEAKBPF_STANDING_COUNT = 4,
};

/* What they did; within the sums of the target. */
struct leakbpf_standing_work {
  __u64 hits;
  __u64 work_ns;
};

/* Value of the map `activity` (per CPU), of the targets whose id modulo the number of its elements
 * is the index: estimates, not added to atomically. One element more, the last, is of processes
 * that are no targets and hit a shared probe. */
#define LEAKBPF_ACTIVITY_SLOTS 1024
struct leakbpf_activity {
  __u64 hits;        /* uprobe hits, entries and returns; page faults of followed pages */
  __u64 allocations; /* calls that take a heap block, followed or not */
  __u64 frees;       /* calls that give one back */
  __u64 nested;      /* of allocations: in a call of another function that is probed */
  __u64 work_ns;     /* time that following took, beyond the hits: stack walks, tables */
  struct leakbpf_standing_work standing[LEAKBPF_STANDING_COUNT];
};

/* Weights are in units of 1/256. With so few bits each is exact: the chance of being followed is
 * made from the weight, not the weight from the chance. */
#define LEAKBPF_WEIGHT_BITS 8
#define LEAKBPF_WEIGHT_ONE (1U << LEAKBPF_WEIGHT_BITS)

/* Weights of blocks by size: row r is for a mean of 2^-r times the mean asked for, between two
 * samples; the last row follows every block. A row has eight columns for each power of two of the
 * size, see leakbpf/sampling.h. */
#define LEAKBPF_SAMPLING_ROWS 17
#define LEAKBPF_SAMPLING_COLUMNS 320
#define LEAKBPF_SAMPLING_EXACT (LEAKBPF_SAMPLING_ROWS - 1)

/* Value of the map `windows`: when and how closely the heap of some targets is followed. The index
 * is in struct leakbpf_target; user space writes it. */
#define LEAKBPF_WINDOWS 8192
struct leakbpf_window {
  __u32 number;  /* counts windows from 1; 0: none is open, and no new block is followed */
  __u32 scale;   /* the time that the window stands for, divided by its length, at least 1 */
  __u32 row;     /* of the weights */
  __u16 layered; /* an allocator may call another: each call is seen to its end, so that the block's
                    fate is decided once */
  __u16 pool_scale; /* as scale, of new pools, which may be followed all the time: then it is 1 */
};
#define LEAKBPF_MAX_SCALE 255

/* While windows are used the stack of one in so many new pools of Python's is walked. */
#define LEAKBPF_POOL_SCALE 8

/* Where glibc puts a block in a mapping of its own. */
#define LEAKBPF_MAPPED_BLOCK_OFFSET 16

/* Whose pages are followed. */
#define LEAKBPF_PAGES_NONE 0
#define LEAKBPF_PAGES_OWN 1       /* its own */
#define LEAKBPF_PAGES_INHERITED 2 /* and those of its children and of what it executes */

/* Value of `targets`, keyed by tgid. `id` is unique for each process image: fork and exec make a
 * new one, so that a child and a new program begin with nothing outstanding. */
struct leakbpf_target {
  __u32 id;
  __u8 maps_memory; /* has called mmap itself; until then its munmap calls need no event */
  __u8 pages;       /* one of LEAKBPF_PAGES_*: a sample of them is followed */
  __u16 shared;     /* hits the probes that are for every process (LEAKBPF_COOKIE_SHARED) */
  __u32 space;      /* names its mappings; unique, and a new one when code may have been unmapped */
  __u32 window;     /* index into `windows`; children have their parent's */
  __u64 code_pages; /* mapped when its dynamic linker was seen last */
};

/* Value of `collections`, keyed by target id: runs of Python's garbage collector since attach. */
struct leakbpf_collections {
  __u64 count;
  __u64 total_ns;
  __u64 longest_ns;
};

/* Key of `live`. */
struct leakbpf_block_key {
  __u64 address;
  __u32 target;
  __u32 kind; /* enum leakbpf_kind: of a heap block, a pool of Python's or a page */
};

/* Value of `live`: one outstanding heap block, pool or page. */
struct leakbpf_block {
  __u64 size;       /* bytes asked for */
  __u64 stack_hash; /* 0: the stack was not recorded */
  __u64 time_ns;    /* CLOCK_MONOTONIC */
  __u32 weight;     /* blocks that it stands for, in units of 1/256 */
  __u32 window;     /* number of the window in which it was taken; of a page 0 */
};

/* Key of `sites`: a call stack of one target. */
struct leakbpf_site_key {
  __u64 stack_hash;
  __u32 target;
  __u32 kind;
};

/* Value of `sites` (per CPU): totals since attach, weighted, in units of 1/256. Outstanding is
 * allocated minus freed. */
struct leakbpf_site_totals {
  __u64 allocated_bytes;
  __u64 allocated_count;
  __u64 freed_bytes;
  __u64 freed_count;
  /* Outstanding of what was taken in one window; below zero when another CPU has the allocation. */
  __s64 young_bytes;
  __s64 young_count;
  __u32 young_window; /* its number */
  __u32 reserved;
};

/* How a stack walk ended; user/core/stack_end maps them to words. From NO_TABLE on, the walk ended
 * before the thread's first function. */
enum leakbpf_stack_end {
  LEAKBPF_STACK_COMPLETE = 0,
  LEAKBPF_STACK_TRUNCATED = 1,     /* more frames than the limit */
  LEAKBPF_STACK_NO_TABLE = 2,      /* the file's unwind table was not loaded yet */
  LEAKBPF_STACK_UNSUPPORTED = 3,   /* the unwind table says something that our rules cannot */
  LEAKBPF_STACK_UNREADABLE = 4,    /* the frame's memory could not be read */
  LEAKBPF_STACK_BAD_FRAME = 5,     /* no table for this code, and no valid frame pointer */
  LEAKBPF_STACK_NOT_CODE = 6,      /* a return address outside all code */
  LEAKBPF_STACK_MAPPINGS_BUSY = 7, /* another thread was changing the mappings */
  LEAKBPF_STACK_LOST_REGISTER = 8, /* the table needs a register whose value is not known */
  LEAKBPF_STACK_UNREAD = 9, /* the frame's memory is to be read by user space, a moment later */
  LEAKBPF_STACK_ZERO_FRAME = 10, /* no table for this code, and a frame pointer of 0: this is the
                                    thread's first function, or one that keeps no frame pointer */
  LEAKBPF_STACK_END_COUNT = 11,
};

/* Set in a program counter that is no return address: where a signal interrupted. */
#define LEAKBPF_PC_EXACT (1ULL << 63)

/* Value of `stacks`, keyed by the 64-bit hash of its frames. */
struct leakbpf_stack {
  __u32 depth; /* slots in use */
  __u32 end;   /* enum leakbpf_stack_end */
  __u64 check; /* a second hash: tells a collision from the same stack seen again */
  __u32 space; /* what was mapped: the address space's number, as that of an event */
  __u32 reserved;
  __u64 pc[LEAKBPF_STACK_SLOTS]; /* innermost first; return addresses but for LEAKBPF_PC_EXACT and
                                    LEAKBPF_PC_PYTHON */
};

/* Records of the ring buffer `events`. */
enum leakbpf_event_type {
  LEAKBPF_EVENT_NEW_STACK = 1,  /* stack_hash was seen for the first time, in target, whose
                                   address space is argument */
  LEAKBPF_EVENT_FORK = 2,       /* tgid, a child of peer_tgid, is target; address: where the stack
                                   of its program began */
  LEAKBPF_EVENT_EXEC = 3,       /* tgid runs a new program: target; before: peer_target; address as
                                   of a fork */
  LEAKBPF_EVENT_EXIT = 4,       /* target ended; argument is the wait status */
  LEAKBPF_EVENT_RANGE_TAKE = 5, /* tid is about to unmap or move [address, address + length) */
  LEAKBPF_EVENT_RANGE_DONE = 6, /* tid's call ended: argument is not 0 when it succeeded; then, when
                                   length is not 0, [address, address + length) is new */
  LEAKBPF_EVENT_BREAK = 7,      /* the program break moved from argument to address */
  LEAKBPF_EVENT_CODE_DIED = 8,  /* the record is a leakbpf_dead_code */
  LEAKBPF_EVENT_APPEARED = 9,   /* tgid, no target yet, runs a new program */
};

/* Argument of RANGE_DONE. */
#define LEAKBPF_RANGE_SUCCEEDED 1
#define LEAKBPF_RANGE_RESERVED 2 /* and the memory cannot be written yet */

struct leakbpf_event {
  __u32 type;
  __u32 target;
  __u32 tgid;
  __u32 tid;
  __u32 peer_tgid;
  __u32 peer_target;
  __u64 time_ns;
  __u64 address;
  __u64 length;
  __u64 argument;
  __u64 stack_hash;
};

/* A Python code object that is about to be freed: the event's address, and its checksum is the
 * argument. Each piece is the beginning of an object, as much of it as could be read. */
#define LEAKBPF_DEAD_CODE_OBJECT 208
#define LEAKBPF_DEAD_CODE_FILENAME 320
#define LEAKBPF_DEAD_CODE_NAME 192
#define LEAKBPF_DEAD_CODE_LINE_TABLE 640
struct leakbpf_dead_code {
  struct leakbpf_event event;
  __u64 filename; /* addresses */
  __u64 name;
  __u64 line_table;
  __u8 code_bytes[LEAKBPF_DEAD_CODE_OBJECT];
  __u8 filename_bytes[LEAKBPF_DEAD_CODE_FILENAME];
  __u8 name_bytes[LEAKBPF_DEAD_CODE_NAME];
  __u8 line_table_bytes[LEAKBPF_DEAD_CODE_LINE_TABLE];
};

LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_dead_code) == 1448, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_counters) == 8UL * LEAKBPF_LOSS_COUNT + 8, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_activity) == 104, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_window) == 16, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_target) == 24, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_block_key) == 16, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_block) == 32, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_site_key) == 16, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_site_totals) == 56, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_stack) == 1944, "abi");
LEAKBPF_STATIC_ASSERT(sizeof(struct leakbpf_event) == 64, "abi");

#endif
