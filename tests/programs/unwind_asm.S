// SPDX-License-Identifier: Apache-2.0
// Functions of unwind_asm.c whose unwind tables say what no compiler says but hand-written code
// does. Each takes the size of a block (rdi) and has it allocated.

#define FUNCTION(name) .globl name; .type name, @function; name:
#define END(name) .size name, . - name

  .text

// ---- as the stubs of a procedure linkage table: rsp + 8 + (past offset 11 ? 8 : 0) --------------
// Three boundaries of 16 bytes, so the distance of a return address to the last is its offset.

#define CFA_OF_A_PLT_STUB \
  .cfi_escape 0x0f, 0x0b, 0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22

  .p2align 4
FUNCTION(asm_plt_past_push)
  .cfi_startproc
  CFA_OF_A_PLT_STUB
  pushq $0               // 2 bytes
  .nops 6
  call asm_leaf          // returns to offset 13
  addq $8, %rsp          // to offset 17, so the expression holds for the ret too
  ret
  .cfi_endproc
END(asm_plt_past_push)

  .p2align 4
FUNCTION(asm_plt_before_push)
  .cfi_startproc
  CFA_OF_A_PLT_STUB
  call asm_leaf          // returns to offset 5
  ret
  .cfi_endproc
END(asm_plt_before_push)

  .p2align 4
FUNCTION(asm_plt_caller) // aligns the stack as the stub above has nothing to do it with
  .cfi_startproc
  subq $16, %rsp
  .cfi_adjust_cfa_offset 16
  call asm_plt_before_push
  addq $16, %rsp
  .cfi_adjust_cfa_offset -16
  ret
  .cfi_endproc
END(asm_plt_caller)

// ---- the caller's rsp kept in the frame, as libcrypto does: *(rsp + a) + 8 ----------------------

.macro cfa_in_memory name, offset, low, high
FUNCTION(\name)
  .cfi_startproc
  movq %rsp, %rax
  .cfi_def_cfa_register %rax
  pushq %rbx
  .cfi_offset %rbx, -16
  pushq %rbp
  .cfi_offset %rbp, -24
  subq $\offset + 72, %rsp
  andq $-64, %rsp
  movq %rax, \offset(%rsp)
  .cfi_escape 0x0f, 0x06, 0x77, \low, \high, 0x06, 0x23, 0x08
  movq $-1, %rbp
  call asm_leaf
  movq \offset(%rsp), %rsi
  .cfi_def_cfa %rsi, 8
  movq -16(%rsi), %rbp
  .cfi_restore %rbp
  movq -8(%rsi), %rbx
  .cfi_restore %rbx
  movq %rsi, %rsp
  .cfi_def_cfa_register %rsp
  ret
  .cfi_endproc
END(\name)
.endm

cfa_in_memory asm_cfa_at_152, 152, 0x98, 0x01
cfa_in_memory asm_cfa_at_544, 544, 0xa0, 0x04

// ---- from a register that a call may change: only in a leaf, which a signal interrupts ----------

.macro cfa_in_register name, register
FUNCTION(\name)
  .cfi_startproc
  leaq 8(%rsp), %\register
  .cfi_def_cfa %\register, 0
  subq $72, %rsp
  andq $-32, %rsp
  ud2
  leaq -8(%\register), %rsp
  .cfi_def_cfa %rsp, 8
  ret
  .cfi_endproc
END(\name)
.endm

cfa_in_register asm_cfa_rax, rax
cfa_in_register asm_cfa_rdi, rdi
cfa_in_register asm_cfa_r8, r8
cfa_in_register asm_cfa_r10, r10
cfa_in_register asm_cfa_r11, r11

// From one that calls preserve, as ld.so does.
FUNCTION(asm_cfa_rbx)
  .cfi_startproc
  pushq %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbx, 0
  movq %rsp, %rbx
  .cfi_def_cfa_register %rbx
  subq $100, %rsp
  andq $-64, %rsp
  call asm_leaf
  movq %rbx, %rsp
  .cfi_def_cfa_register %rsp
  popq %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbx
  ret
  .cfi_endproc
END(asm_cfa_rbx)

// ---- where the rows of one function meet those of the next --------------------------------------

// Its last instruction is a call that never returns: the return address belongs to what follows.
FUNCTION(asm_ends_in_call)
  .cfi_startproc
  subq $40, %rsp
  .cfi_adjust_cfa_offset 40
  call asm_leaf_that_jumps
  .cfi_endproc
END(asm_ends_in_call)
// Is interrupted at its first byte: one byte before, other rows hold.
FUNCTION(asm_trap_at_start)
  .cfi_startproc
  ud2
  ret
  .cfi_endproc
END(asm_trap_at_start)

// ---- ends, and no tables at all -----------------------------------------------------------------

FUNCTION(asm_undefined_return)
  .cfi_startproc
  .cfi_undefined %rip
  subq $8, %rsp
  .cfi_adjust_cfa_offset 8
  call asm_leaf
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  ret
  .cfi_endproc
END(asm_undefined_return)

  .p2align 5
FUNCTION(asm_no_tables)
  .nops 16 // not to be taken for padding between functions
  pushq %rbp
  movq %rsp, %rbp
  call asm_leaf
  popq %rbp
  ret
END(asm_no_tables)

  // Nor is there a frame pointer: what it holds looks like the thread's first frame.
  .p2align 5
FUNCTION(asm_zero_frame)
  .nops 16
  pushq %rbp
  xorl %ebp, %ebp
  call asm_leaf
  popq %rbp
  ret
END(asm_zero_frame)

// ---- step by step: the trap flag is set, and a signal comes after each instruction --------------

FUNCTION(asm_stepped)
  .cfi_startproc
  pushq %rbp
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbp, 0
  movq $-1, %rbp
  pushq %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbx, 0
  subq $0x11000, %rsp
  .cfi_adjust_cfa_offset 0x11000
  xorl %ebx, %ebx
  leaq 16(%rsp), %rbp
  addq $0x11000, %rsp
  .cfi_adjust_cfa_offset -0x11000
  popq %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbx
  popq %rbp
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbp
  ret
  .cfi_endproc
END(asm_stepped)

.macro step_through name, callee
FUNCTION(\name)
  .cfi_startproc
  subq $8, %rsp
  .cfi_adjust_cfa_offset 8
  pushfq
  .cfi_adjust_cfa_offset 8
  orq $0x100, (%rsp)
  popfq
  .cfi_adjust_cfa_offset -8
  call \callee           // the first trap comes after this
  .globl \name\()_over
\name\()_over:           // here the handler takes the flag away
  nop
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  ret
  .cfi_endproc
END(\name)
.endm

step_through asm_step_function, asm_stepped
step_through asm_step_plt, getsid@PLT

  .section .note.GNU-stack, "", @progbits
