// The kernels of src/datatype/gpu as CUDA's driver loads them; nothing where the build has no nvcc.

  .section .rodata
  .globl sluice_mpi_kernels
  .globl sluice_mpi_kernels_end
  .hidden sluice_mpi_kernels
  .hidden sluice_mpi_kernels_end
  .balign 64
sluice_mpi_kernels:
#ifdef SLUICE_KERNEL_IMAGE
  .incbin SLUICE_KERNEL_IMAGE
#endif
sluice_mpi_kernels_end:
  .byte 0

  .section .note.GNU-stack, "", %progbits
