// MPI_X and PMPI_X: a jump through the function's slot. A slot begins at its stub, which asks sluice_mpi_resolve to fill all slots.
// In assembly because that keeps every argument where it is, whatever the ABI.

#if defined(__x86_64__)

#define ENTRY(symbol)                                                                                   \
  .text; .globl symbol; .type symbol, @function; .p2align 4;                                            \
  symbol: endbr64; jmp *slot_##symbol(%rip); .size symbol, .-symbol;                                    \
  .p2align 4; stub_##symbol: leaq slot_##symbol(%rip), %rax; jmp resolve;                               \
  .section .data.rel.sluice, "aw", @progbits; slot_##symbol: .quad stub_##symbol;

  .text
resolve:
  .cfi_startproc
  pushq %rdi
  pushq %rsi
  pushq %rdx
  pushq %rcx
  pushq %r8
  pushq %r9
  pushq %rax
  .cfi_adjust_cfa_offset 56
  movq %rax, %rdi
  call sluice_mpi_resolve
  popq %rax
  popq %r9
  popq %r8
  popq %rcx
  popq %rdx
  popq %rsi
  popq %rdi
  .cfi_adjust_cfa_offset -56
  jmp *(%rax)
  .cfi_endproc

#elif defined(__aarch64__)

#define ENTRY(symbol)                                                                                   \
  .text; .globl symbol; .type symbol, %function; .p2align 4;                                            \
  symbol: hint 34; adrp x16, slot_##symbol; ldr x16, [x16, :lo12:slot_##symbol]; br x16;                \
  .size symbol, .-symbol;                                                                               \
  stub_##symbol: hint 36; adrp x17, slot_##symbol; add x17, x17, :lo12:slot_##symbol; b resolve;        \
  .section .data.rel.sluice, "aw", %progbits; .p2align 3; slot_##symbol: .quad stub_##symbol;

  .text
resolve:
  .cfi_startproc
  stp x29, x30, [sp, #-96]!
  .cfi_adjust_cfa_offset 96
  stp x0, x1, [sp, #16]
  stp x2, x3, [sp, #32]
  stp x4, x5, [sp, #48]
  stp x6, x7, [sp, #64]
  str x17, [sp, #80]
  mov x0, x17
  bl sluice_mpi_resolve
  ldr x17, [sp, #80]
  ldp x6, x7, [sp, #64]
  ldp x4, x5, [sp, #48]
  ldp x2, x3, [sp, #32]
  ldp x0, x1, [sp, #16]
  ldp x29, x30, [sp], #96
  .cfi_adjust_cfa_offset -96
  ldr x16, [x17]
  br x16
  .cfi_endproc

#endif

  .section .data.rel.sluice, "aw"
  .p2align 3
  .globl sluice_mpi_slots
  .hidden sluice_mpi_slots
sluice_mpi_slots:

#define SLUICE_MPI_FUNCTION(name) ENTRY(MPI_##name) ENTRY(PMPI_##name)
#define SLUICE_MPI_COUNTED(name) SLUICE_MPI_FUNCTION(name) SLUICE_MPI_FUNCTION(name##_c)
#include "functions.inc"

  .section .note.GNU-stack, "", %progbits
