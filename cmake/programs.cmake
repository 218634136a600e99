# SPDX-License-Identifier: ISC
# examples/*.c: one instrumented program each.
file(GLOB EXAMPLES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.c)
foreach(source ${EXAMPLES})
  cmake_path(GET source STEM name)
  if(NOT TARGET example_${name})
    add_executable(example_${name} ${source})
    set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
    target_link_libraries(example_${name} PRIVATE evtrail Threads::Threads)
  endif()
endforeach()

find_program(CLANG_FORMAT clang-format)
if(CLANG_FORMAT)
  add_custom_target(format-check COMMAND ${PROJECT_SOURCE_DIR}/tools/format --check
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
endif()
