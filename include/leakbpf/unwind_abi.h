/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records of the stack unwinder that the BPF programs and user space share.
 *
 * A file's table is a sorted list of rows: from this file offset on, this rule holds, up to the
 * next row. Rows are packed into the leaves of a search tree whose nodes lie under consecutive ids,
 * one level after the other, so that a child is found without a pointer. Rules are shared by all
 * files; a leaf lists those it needs by 16-bit indexes, and each of its rows names one in that
 * list. The split into small rows and shared rules follows the OpenTelemetry eBPF profiler. */
#ifndef LEAKBPF_UNWIND_ABI_H
#define LEAKBPF_UNWIND_ABI_H

#include <linux/types.h>

/* Registers by their DWARF numbers (System V ABI, x86-64, figure 3.36). */
enum leakbpf_register {
  LEAKBPF_REGISTER_AX = 0,
  LEAKBPF_REGISTER_DX = 1,
  LEAKBPF_REGISTER_CX = 2,
  LEAKBPF_REGISTER_BX = 3,
  LEAKBPF_REGISTER_SI = 4,
  LEAKBPF_REGISTER_DI = 5,
  LEAKBPF_REGISTER_FP = 6,
  LEAKBPF_REGISTER_SP = 7,
  LEAKBPF_REGISTER_R8 = 8,
  LEAKBPF_REGISTER_R15 = 15,
  LEAKBPF_REGISTER_COUNT = 16,
};

/* How the canonical frame address (CFA) is found. */
enum leakbpf_cfa {
  LEAKBPF_CFA_NONE = 0,        /* no table entry here: follow the frame pointer */
  LEAKBPF_CFA_END = 1,         /* the thread's first function: its return address is undefined */
  LEAKBPF_CFA_REGISTER = 2,    /* register + offset */
  LEAKBPF_CFA_MEMORY = 3,      /* *(register + offset) + add */
  LEAKBPF_CFA_PLT = 4,         /* sp + offset + ((pc & 15) >= add ? 8 : 0) */
  LEAKBPF_CFA_SIGNAL = 5,      /* the kernel's signal frame: registers lie at sp + 40 */
  LEAKBPF_CFA_UNSUPPORTED = 6, /* the table says something that these rules cannot */
};

/* How the caller's frame pointer register is found. */
enum leakbpf_saved_fp {
  LEAKBPF_SAVED_FP_SAME = 0,      /* not changed */
  LEAKBPF_SAVED_FP_CFA = 1,       /* saved at CFA + fp_offset */
  LEAKBPF_SAVED_FP_UNKNOWN = 2,   /* undefined, or saved in a way that these rules cannot say */
  LEAKBPF_SAVED_FP_REGISTER = 16, /* + r: saved at register r + fp_offset */
  LEAKBPF_SAVED_FP_MOVED = 32,    /* + r: held in register r */
};

#define LEAKBPF_RETURN_IN_MEMORY 0xff /* at CFA - 8 */

/* Value of `unwind_rules`. Offsets are in bytes. */
struct leakbpf_unwind_rule {
  __u8 cfa;             /* enum leakbpf_cfa */
  __u8 cfa_register;    /* enum leakbpf_register */
  __u8 return_register; /* holds the return address, or LEAKBPF_RETURN_IN_MEMORY */
  __u8 saved_fp;        /* enum leakbpf_saved_fp */
  __s32 cfa_offset;
  __s16 cfa_add;
  __u16 interpreter; /* enum leakbpf_interpreter: whose evaluation function this code is part of */
  __s32 fp_offset;
};

/* Interpreters whose frames the walker knows. */
enum leakbpf_interpreter {
  LEAKBPF_INTERPRETER_NONE = 0,
  LEAKBPF_INTERPRETER_PYTHON = 1,
};

/* Rules of all files together; index 0 is the one with LEAKBPF_CFA_NONE. */
#define LEAKBPF_UNWIND_MAX_RULES 32768

/* With these, a node and the kernel's header fill 2 KiB. Few leaves need more different rules. */
#define LEAKBPF_UNWIND_NODE_ROWS 597
#define LEAKBPF_UNWIND_NODE_RULES 96
#define LEAKBPF_UNWIND_NODE_KEYS 495
/* 4 levels hold 495^3 leaves: more than a 4 GiB file can need. */
#define LEAKBPF_UNWIND_MAX_LEVELS 4

/* Value of `unwind_nodes`, keyed by a 32-bit id. */
union leakbpf_unwind_node {
  struct {
    __u16 low[LEAKBPF_UNWIND_NODE_ROWS];    /* offset of the row from the leaf's first, ascending;
                                               unused ones repeat the last row's rule at 0xffff */
    __u16 rules[LEAKBPF_UNWIND_NODE_RULES]; /* those that occur here: indexes of `unwind_rules` */
    __u8 rule[LEAKBPF_UNWIND_NODE_ROWS];    /* index into `rules` */
    __u8 reserved;                          /* zero */
  } leaf;
  struct {
    __u32 first_child;                   /* id; the others follow it */
    __u32 key[LEAKBPF_UNWIND_NODE_KEYS]; /* file offset of each child's first row, ascending;
                                            unused ones are 0xffffffff */
  } inner;
};

/* Key of `unwind_files`: what a mapped file is known by. */
struct leakbpf_file_key {
  __u64 inode;
  __u32 device;   /* the kernel's dev_t: major << 20 | minor */
  __u32 reserved; /* zero */
};

/* The vDSO, which is no file. */
#define LEAKBPF_VDSO_INODE 1
#define LEAKBPF_VDSO_DEVICE 0xffffffffU

/* Value of `unwind_files`. Addresses are offsets in the file. */
struct leakbpf_unwind_file {
  __u32 root;         /* node id */
  __u32 levels;       /* of the tree: 1 when the root is a leaf; 0: no table, only frame pointers */
  __u32 first_offset; /* of the first row */
  __u32 end_offset;   /* behind the last row's range */
};

/* The registers of one frame. */
struct leakbpf_frame {
  __u64 pc;
  __u64 sp;
  __u64 fp;
  __u64 saved_registers; /* where a signal frame keeps the others; 0: they are not known */
  __u32 pc_is_return;    /* pc is a return address: what it belongs to lies before it */
  __u32 innermost;       /* the other registers are still in the CPU */
};

/* Code of a file that a process has mapped. Value of `mapped_blocks`, where one for each block is
 * kept. */
struct leakbpf_mapped_code {
  __u64 start;
  __u64 end;
  __u64 offset; /* of `start` in the file */
  struct leakbpf_file_key file;
};

/* Bytes of stack that go along with a request, and slots of the thread's Python frames. */
#define LEAKBPF_STACK_COPY_BYTES 16384
#define LEAKBPF_REQUEST_PYTHON_SLOTS 128
/* In the first slot of a Python frame there: it is the outermost one of its run of the evaluation
 * function. */
#define LEAKBPF_PYTHON_RUN_ENDS (1ULL << 61)

/* Record of the ring buffer `unwind_requests`: a walk that user space is asked to finish. One of
 * the header's size has no walk: it says that the mapped files changed. */
struct leakbpf_unwind_request {
  __u32 target;
  __u32 tgid;
  __u32 space;
  __u32 reserved;                  /* zero */
  __u64 stack_hash;                /* the walk so far, in `stacks` */
  __u64 walk_hash;                 /* what `unreadable_walks` knows it by */
  __u64 time_ns;                   /* CLOCK_MONOTONIC */
  struct leakbpf_mapped_code code; /* where the walk came to; no file: it is not known */
  struct leakbpf_frame frame;
  __u64 python_slots;                         /* of `python` that are valid */
  __u64 python[LEAKBPF_REQUEST_PYTHON_SLOTS]; /* frames that the walk has not come to, as in a stack
                                               */
  __u64 copied;                               /* bytes of `memory` that are valid */
  __u8 memory[LEAKBPF_STACK_COPY_BYTES];      /* from frame.sp upwards */
};

/* Without what goes along with a walk: all of a request that holds no stack. */
#define LEAKBPF_UNWIND_REQUEST_HEADER                                                              \
  (sizeof(struct leakbpf_unwind_request) - LEAKBPF_STACK_COPY_BYTES - sizeof(__u64) -              \
   sizeof(__u64) * LEAKBPF_REQUEST_PYTHON_SLOTS)

/* Key of `mapped_blocks`, a cache of what is mapped where. */
struct leakbpf_block_of_code {
  __u32 space;
  __u32 block; /* address >> LEAKBPF_CODE_BLOCK_SHIFT */
};
#define LEAKBPF_CODE_BLOCK_SHIFT 16

#ifdef __cplusplus
static_assert(sizeof(leakbpf_unwind_rule) == 16, "abi");
static_assert(sizeof(leakbpf_unwind_node) == 1984, "abi");
#else
_Static_assert(sizeof(struct leakbpf_unwind_rule) == 16, "abi");
_Static_assert(sizeof(union leakbpf_unwind_node) == 1984, "abi");
#endif

#endif
