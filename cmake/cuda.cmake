# Kernels, where there is an nvcc: part of the library, which finds the driver when it runs. Included before the first
# target.

find_program(SLUICE_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin /usr/local/cuda/bin)
set(sluice_cuda_default OFF)
if(SLUICE_NVCC AND NOT SLUICE_HIP)
  set(sluice_cuda_default ON)
endif()
option(SLUICE_CUDA "Build the schedules as CUDA kernels into the library" ${sluice_cuda_default})

if(SLUICE_CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER ${SLUICE_NVCC})
  endif()
  # PTX of the newest for what comes after it.
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100)
  endif()
  if(SLUICE_CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${SLUICE_CCACHE})
  endif()
  # Nothing is fused: the results are those of the host.
  set(CMAKE_CUDA_FLAGS "${CMAKE_CUDA_FLAGS} --expt-relaxed-constexpr -fmad=false --compress-mode=size --Werror all-warnings")
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 does not know it
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  find_package(CUDAToolkit REQUIRED)
endif()
