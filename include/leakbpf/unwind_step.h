/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One step of a stack walk: from a frame's registers and its unwind rule to its caller's registers.
 * The kernel side and user space compile the same code. The includer defines first:
 *
 *   UNWIND_CONTEXT         type of what the two functions below read from
 *   bool unwind_read(UNWIND_CONTEXT*, __u64 address, __u64* value)
 *                          a word of the target's memory
 *   bool unwind_cpu_register(UNWIND_CONTEXT*, __u32 number, __u64* value)
 *                          a register of the innermost frame, by enum leakbpf_register
 *   __u64 unwind_return_address(UNWIND_CONTEXT*, __u64 slot, __u64 found)
 *                          what was at `slot` before a return probe put its own address there
 */
#ifndef LEAKBPF_UNWIND_STEP_H
#define LEAKBPF_UNWIND_STEP_H

#include <leakbpf/abi.h>
#include <leakbpf/stack_hash.h>

#define UNWIND_INLINE static inline __attribute__((always_inline))
#define UNWIND_NO_INLINE static __attribute__((noinline))

/* The walk goes on: the caller's registers are in the frame. Any other result of a step is the
 * enum leakbpf_stack_end that it ended with. */
#define LEAKBPF_STACK_GOES_ON LEAKBPF_STACK_END_COUNT

#define UNWIND_MIN_PC 4096ULL
#define UNWIND_MAX_PC (1ULL << 47)
/* Where code without a table keeps a frame pointer, no frame is larger than this. */
#define UNWIND_MAX_FRAME_BYTES (1ULL << 20)
/* A frame pointer that was lost; never a valid one, since it is odd. */
#define UNWIND_LOST_FP 1ULL
/* Of rt_sigreturn's frame: the sp points to a ucontext_t, whose registers begin here. */
#define UNWIND_SIGNAL_REGISTERS 40

/* Place of a register in a signal frame's list (struct sigcontext of the kernel's
 * asm/sigcontext.h): r8..r15, di, si, bp, bx, dx, ax, cx, sp, ip. */
UNWIND_INLINE __u32 unwind_signal_index(__u32 number) {
  /* ax dx cx bx si di bp sp, a digit each from the right, less 8 */
  return number < 8 ? 8 + (__u32)((0x72013645ULL >> (number * 4)) & 0xf) : number - 8;
}

UNWIND_NO_INLINE bool unwind_other_register(UNWIND_CONTEXT* context,
                                            const struct leakbpf_frame* frame, __u32 number,
                                            __u64* value) {
  if (!context || !frame || !value || number >= LEAKBPF_REGISTER_COUNT)
    return false;
  if (frame->saved_registers)
    return unwind_read(context, frame->saved_registers + 8ULL * unwind_signal_index(number), value);
  return frame->innermost && unwind_cpu_register(context, number, value);
}

UNWIND_INLINE bool unwind_register(UNWIND_CONTEXT* context, const struct leakbpf_frame* frame,
                                   __u32 number, __u64* value) {
  if (number == LEAKBPF_REGISTER_SP)
    *value = frame->sp;
  else if (number == LEAKBPF_REGISTER_FP)
    *value = frame->fp;
  else
    return unwind_other_register(context, frame, number, value);
  return true;
}

/* To where a signal interrupted: all registers are known again. */
UNWIND_NO_INLINE __u32 unwind_signal_frame(UNWIND_CONTEXT* context, struct leakbpf_frame* frame) {
  if (!context || !frame)
    return LEAKBPF_STACK_UNREADABLE;
  __u64 registers = frame->sp + UNWIND_SIGNAL_REGISTERS;
  __u64 fp = 0, sp = 0, pc = 0;
  if (!unwind_read(context, registers + 8ULL * 10, &fp) ||
      !unwind_read(context, registers + 8ULL * 15, &sp) ||
      !unwind_read(context, registers + 8ULL * 16, &pc))
    return LEAKBPF_STACK_UNREADABLE;
  frame->pc = pc;
  frame->sp = sp;
  frame->fp = fp;
  frame->saved_registers = registers;
  frame->pc_is_return = 0;
  frame->innermost = 0;
  return LEAKBPF_STACK_GOES_ON;
}

UNWIND_INLINE void unwind_enter_caller(struct leakbpf_frame* frame, __u64 pc, __u64 sp, __u64 fp) {
  frame->pc = pc;
  frame->sp = sp;
  frame->fp = fp;
  frame->saved_registers = 0;
  frame->pc_is_return = 1;
  frame->innermost = 0;
}

/* Code without a table, such as a JIT's: {caller's fp, return address} lie where fp points. */
UNWIND_NO_INLINE __u32 unwind_by_frame_pointer(UNWIND_CONTEXT* context,
                                               struct leakbpf_frame* frame) {
  if (!context || !frame)
    return LEAKBPF_STACK_UNREADABLE;
  __u64 at = frame->fp, fp = 0, pc = 0;
  if (!at)
    return LEAKBPF_STACK_ZERO_FRAME;
  if ((at & 7) || at < frame->sp || at - frame->sp > UNWIND_MAX_FRAME_BYTES)
    return LEAKBPF_STACK_BAD_FRAME;
  if (!unwind_read(context, at, &fp) || !unwind_read(context, at + 8, &pc))
    return LEAKBPF_STACK_UNREADABLE;
  unwind_enter_caller(frame, unwind_return_address(context, at + 8, pc), at + 16, fp);
  return LEAKBPF_STACK_GOES_ON;
}

/* The kinds of CFA that are rare. */
UNWIND_NO_INLINE __u32 unwind_rare_cfa(UNWIND_CONTEXT* context,
                                       const struct leakbpf_unwind_rule* rule,
                                       const struct leakbpf_frame* frame, __u64* cfa) {
  __u64 base = 0;
  if (!context || !rule || !frame || !cfa)
    return LEAKBPF_STACK_UNREADABLE;
  switch (rule->cfa) {
  case LEAKBPF_CFA_REGISTER:
    if (!unwind_other_register(context, frame, rule->cfa_register, &base))
      return LEAKBPF_STACK_LOST_REGISTER;
    *cfa = base + (__u64)(__s64)rule->cfa_offset;
    return LEAKBPF_STACK_GOES_ON;
  case LEAKBPF_CFA_MEMORY:
    if (!unwind_register(context, frame, rule->cfa_register, &base))
      return LEAKBPF_STACK_LOST_REGISTER;
    if (!unwind_read(context, base + (__u64)(__s64)rule->cfa_offset, cfa))
      return LEAKBPF_STACK_UNREADABLE;
    *cfa += (__u64)(__s64)rule->cfa_add;
    return LEAKBPF_STACK_GOES_ON;
  case LEAKBPF_CFA_PLT:
    *cfa = frame->sp + (__u64)(__s64)rule->cfa_offset +
           ((__u32)(frame->pc & 15) >= (__u32)rule->cfa_add ? 8 : 0);
    return LEAKBPF_STACK_GOES_ON;
  case LEAKBPF_CFA_END:
    return LEAKBPF_STACK_COMPLETE;
  default:
    return LEAKBPF_STACK_UNSUPPORTED;
  }
}

/* The caller's frame pointer where it is kept in a rare way. */
UNWIND_NO_INLINE bool unwind_rare_fp(UNWIND_CONTEXT* context,
                                     const struct leakbpf_unwind_rule* rule,
                                     const struct leakbpf_frame* frame, __u64* fp) {
  __u64 base = 0;
  *fp = UNWIND_LOST_FP;
  if (!context || !rule || !frame || rule->saved_fp < LEAKBPF_SAVED_FP_REGISTER)
    return true;
  if (!unwind_register(context, frame, rule->saved_fp & 15, &base))
    return true;
  if (rule->saved_fp >= LEAKBPF_SAVED_FP_MOVED) {
    *fp = base;
    return true;
  }
  return unwind_read(context, base + (__u64)(__s64)rule->fp_offset, fp);
}

/* Applies `rule` to `frame`, which becomes the caller's. */
UNWIND_INLINE __u32 unwind_step(UNWIND_CONTEXT* context, const struct leakbpf_unwind_rule* rule,
                                struct leakbpf_frame* frame) {
  __u64 cfa = 0, fp = frame->fp, pc = 0;
  if (rule->cfa == LEAKBPF_CFA_REGISTER && rule->cfa_register == LEAKBPF_REGISTER_SP) {
    cfa = frame->sp + (__u64)(__s64)rule->cfa_offset;
  } else if (rule->cfa == LEAKBPF_CFA_REGISTER && rule->cfa_register == LEAKBPF_REGISTER_FP) {
    cfa = frame->fp + (__u64)(__s64)rule->cfa_offset;
  } else if (rule->cfa == LEAKBPF_CFA_NONE) {
    return unwind_by_frame_pointer(context, frame);
  } else if (rule->cfa == LEAKBPF_CFA_SIGNAL) {
    return unwind_signal_frame(context, frame);
  } else {
    __u32 result = unwind_rare_cfa(context, rule, frame, &cfa);
    if (result != LEAKBPF_STACK_GOES_ON)
      return result;
  }
  /* The saved fp lies below the return address: in this order one block holds both. */
  if (rule->saved_fp == LEAKBPF_SAVED_FP_CFA) {
    if (!unwind_read(context, cfa + (__u64)(__s64)rule->fp_offset, &fp))
      return LEAKBPF_STACK_UNREADABLE;
  } else if (rule->saved_fp != LEAKBPF_SAVED_FP_SAME) {
    if (!unwind_rare_fp(context, rule, frame, &fp))
      return LEAKBPF_STACK_UNREADABLE;
  }
  if (rule->return_register == LEAKBPF_RETURN_IN_MEMORY) {
    if (!unwind_read(context, cfa - 8, &pc))
      return LEAKBPF_STACK_UNREADABLE;
    pc = unwind_return_address(context, cfa - 8, pc);
  } else if (!unwind_register(context, frame, rule->return_register, &pc)) {
    return LEAKBPF_STACK_LOST_REGISTER;
  }
  unwind_enter_caller(frame, pc, cfa, fp);
  return LEAKBPF_STACK_GOES_ON;
}

/* The frame's pc as a stack keeps it. */
UNWIND_INLINE __u64 unwind_stored_pc(const struct leakbpf_frame* frame) {
  return frame->pc_is_return ? frame->pc : frame->pc | LEAKBPF_PC_EXACT;
}

/* What a caller's pc says about the walk. */
UNWIND_INLINE __u32 unwind_check_pc(__u64 pc) {
  if (pc >= UNWIND_MIN_PC && pc < UNWIND_MAX_PC)
    return LEAKBPF_STACK_GOES_ON;
  return pc ? LEAKBPF_STACK_NOT_CODE : LEAKBPF_STACK_COMPLETE;
}

#endif
