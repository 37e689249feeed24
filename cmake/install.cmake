# Installs the library, its headers, the CMake package Sluice and sluice.pc.
include(CMakePackageConfigHelpers)

set(sluice_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Sluice)

install(TARGETS sluice EXPORT SluiceTargets LIBRARY)
install(EXPORT SluiceTargets NAMESPACE Sluice:: DESTINATION ${sluice_package_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sluice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# <sluice/channel.hpp> is a template library: these are the headers behind it.
set(sluice_impl_dir ${CMAKE_INSTALL_INCLUDEDIR}/sluice/impl)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/channel DESTINATION ${sluice_impl_dir} FILES_MATCHING PATTERN *.hpp)
foreach(header IN ITEMS base/port.hpp base/deadline.hpp
    compute/reduce.hpp compute/element.hpp compute/scalar.hpp compute/small_float.hpp)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${PROJECT_SOURCE_DIR}/src/${header} DESTINATION ${sluice_impl_dir}/${folder} OPTIONAL)
endforeach()

# A folder of its own: nobody takes it for NVIDIA's by accident.
install(TARGETS nccl LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/sluice-nccl)
if(TARGET sluice_mpi)
  install(TARGETS sluice_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(FILES ${PROJECT_SOURCE_DIR}/bindings/nccl/nccl.h ${PROJECT_SOURCE_DIR}/bindings/nccl/nccl_device.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sluice-nccl)

write_basic_package_version_file(${PROJECT_BINARY_DIR}/SluiceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(WRITE ${PROJECT_BINARY_DIR}/SluiceConfig.cmake
  "include(\${CMAKE_CURRENT_LIST_DIR}/SluiceTargets.cmake)\n")
install(FILES ${PROJECT_BINARY_DIR}/SluiceConfig.cmake ${PROJECT_BINARY_DIR}/SluiceConfigVersion.cmake
  DESTINATION ${sluice_package_dir})

# Relative to sluice.pc, so that the installed tree can be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR
  BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE sluice_pc_to_include)
configure_file(${PROJECT_SOURCE_DIR}/cmake/sluice.pc.in ${PROJECT_BINARY_DIR}/sluice.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sluice.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
