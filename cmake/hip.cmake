# Kernels for AMD's GPUs in place of CUDA's, where they are asked for: a library has those of one vendor. Compiled by
# hipcc; the runtime, libamdhip64, is found when the library runs. Included before the first target, after cuda.

option(SLUICE_HIP "Build the schedules as HIP kernels into the library" OFF)
set(SLUICE_HIP_ARCHITECTURES gfx90a CACHE STRING "GPUs that HIP kernels are compiled for")
set(SLUICE_HIP_OPTIMISATION 3 CACHE STRING "hipcc's -O for the kernels: 1 where they shall only be seen to compile")

if(SLUICE_HIP AND SLUICE_CUDA)
  message(FATAL_ERROR "SLUICE_HIP and SLUICE_CUDA: a library has the kernels of one vendor; add -DSLUICE_CUDA=OFF")
endif()
if(SLUICE_HIP)
  find_program(SLUICE_HIPCC hipcc)
  if(NOT SLUICE_HIPCC)
    message(FATAL_ERROR "SLUICE_HIP: no hipcc was found (Debian: hipcc, libamdhip64-dev)")
  endif()
endif()

# Adds to the library `target` the kernels of `source`, a path below src/.
#
# Functions are called (--hipcc-func-supp) and inlined as sparingly as elsewhere: by default hipcc inlines all of them, and
# the compiler's thresholds for this processor are eleven times the usual ones and without limit where a pointer to a local
# variable is passed. Either did not end within ten minutes. Nothing is fused: the results are those of the host.
function(sluice_add_hip_kernels target source)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${target}_hip.o)
  list(TRANSFORM SLUICE_HIP_ARCHITECTURES PREPEND --offload-arch= OUTPUT_VARIABLE architectures)
  add_custom_command(OUTPUT ${made}
    COMMAND ${SLUICE_HIPCC} --hipcc-func-supp ${architectures} -std=c++20 -O${SLUICE_HIP_OPTIMISATION}
      -mllvm -amdgpu-inline-arg-alloca-cost=0 -mllvm -inline-threshold=20
      -ffp-contract=off -fPIC -Wall -Wextra -Wno-unused-parameter -Werror
      -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/src -I${PROJECT_SOURCE_DIR}
      -MD -MF ${made}.d -MT ${made} -x hip -c ${PROJECT_SOURCE_DIR}/src/${source} -o ${made}
    DEPENDS ${PROJECT_SOURCE_DIR}/src/${source}
    DEPFILE ${made}.d
    COMMENT "Building HIP kernels of ${source}"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${made} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  target_sources(${target} PRIVATE ${made})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/device/hip)
  target_compile_definitions(${target} PRIVATE __HIP_PLATFORM_AMD__)
  # The runtime keeps pointers to the kernels.
  target_link_options(${target} PUBLIC LINKER:-z,nodelete)
  target_link_libraries(${target} PUBLIC ${CMAKE_DL_LIBS})
endfunction()
