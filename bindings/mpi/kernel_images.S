# The kernels of src/datatype/gpu as each vendor's runtime loads them; nothing where the build has no compiler for it.
# On pages of their own, as compilers put what HIP's runtime loads.

  .macro image name
  .globl sluice_mpi_\name\()_kernels
  .globl sluice_mpi_\name\()_kernels_end
  .hidden sluice_mpi_\name\()_kernels
  .hidden sluice_mpi_\name\()_kernels_end
  .balign 4096
sluice_mpi_\name\()_kernels:
  .endm

  .macro image_end name
sluice_mpi_\name\()_kernels_end:
  .byte 0
  .endm

  .section .rodata
  image cuda
#ifdef SLUICE_CUDA_KERNELS
  .incbin SLUICE_CUDA_KERNELS
#endif
  image_end cuda
  image hip
#ifdef SLUICE_HIP_KERNELS
  .incbin SLUICE_HIP_KERNELS
#endif
  image_end hip

  .section .note.GNU-stack, "", %progbits
