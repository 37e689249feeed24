# Generates sluice_commit.hpp, so that every measurement says which commit it measured.

set(SLUICE_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)
set(SLUICE_COMMIT unknown)
find_package(Git QUIET)
if(Git_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty --abbrev=12 --exclude=*
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE described ERROR_QUIET
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(described)
    set(SLUICE_COMMIT ${described})
  endif()
  # A new commit configures again.
  if(EXISTS ${PROJECT_SOURCE_DIR}/.git/logs/HEAD)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/.git/logs/HEAD)
  endif()
endif()
file(CONFIGURE OUTPUT ${SLUICE_GENERATED_DIR}/sluice_commit.hpp @ONLY CONTENT
"#pragma once
#define SLUICE_COMMIT \"@SLUICE_COMMIT@\"
")
