// SPDX-License-Identifier: Apache-2.0
// Switches stacks as boost.context does: callee-saved registers on the old stack, its rsp kept.

  .text

// void fiber_switch(void** save, void* load)
  .globl fiber_switch
  .type fiber_switch, @function
fiber_switch:
  .cfi_startproc
  pushq %rbp
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbp, 0
  pushq %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbx, 0
  pushq %r12
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r12, 0
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r12
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r12
  popq %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbx
  popq %rbp
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbp
  ret
  .cfi_endproc
  .size fiber_switch, . - fiber_switch

// Where a new fiber starts: calls rbx. Says that nothing called it.
  .globl fiber_start
  .type fiber_start, @function
fiber_start:
  .cfi_startproc
  .cfi_undefined %rip
  xorl %ebp, %ebp
  call *%rbx
  hlt
  .cfi_endproc
  .size fiber_start, . - fiber_start

// The same as boost.context has it: no table, and rbp is the address of code.
  .globl fiber_start_bare
  .type fiber_start_bare, @function
fiber_start_bare:
  pushq %rbp
  jmp *%rbx
  .size fiber_start_bare, . - fiber_start_bare
  .globl fiber_finish_bare
  .type fiber_finish_bare, @function
  nop // a return address points behind a call
fiber_finish_bare:
  hlt
  .size fiber_finish_bare, . - fiber_finish_bare

  .section .note.GNU-stack, "", @progbits
