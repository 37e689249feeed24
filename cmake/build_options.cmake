# How everything in this tree is compiled. Included once, before the first target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  # Programs find the library beside them, in the build tree and when installed.
  set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
  file(RELATIVE_PATH sluice_bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set(CMAKE_INSTALL_RPATH "$ORIGIN/${sluice_bin_to_lib}")
  find_program(SLUICE_CCACHE ccache)
  if(SLUICE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # What it has to be told to use its cache where there are precompiled headers (with -fpch-preprocess, below).
    set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${SLUICE_CCACHE})
  endif()
endif()

# Flags of our own targets only: they must not leak to whoever links the library.
add_library(sluice_options INTERFACE)
target_compile_options(sluice_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess>)

if(SLUICE_SANITIZE)
  set(sluice_sanitize -fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(SLUICE_SANITIZE MATCHES undefined)
    # A third of the time to compile, for what the address sanitizer sees as well.
    list(APPEND sluice_sanitize -fno-sanitize=null,object-size,vptr)
  endif()
  target_compile_options(sluice_options INTERFACE ${sluice_sanitize})
  target_link_options(sluice_options INTERFACE ${sluice_sanitize})
endif()

# Link-time optimisation of the release library. The objects are fat so that the many test programs, which
# share them, link their machine code directly: a link-time optimisation for each would take minutes.
set(SLUICE_LTO OFF)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(SLUICE_LTO ON)
endif()
