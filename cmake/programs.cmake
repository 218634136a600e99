# SPDX-License-Identifier: ISC
# The `evtrail` command: consumers/*.c, on the public interface only.
file(GLOB COMMAND_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/consumers/*.c)
if(COMMAND_SOURCES AND NOT TARGET evtrail_command)
  add_executable(evtrail_command ${COMMAND_SOURCES})
endif()
if(TARGET evtrail_command)
  set_target_properties(evtrail_command PROPERTIES OUTPUT_NAME evtrail
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  target_compile_definitions(evtrail_command PRIVATE EVTRAIL_LIBDIR="${CMAKE_INSTALL_FULL_LIBDIR}")
  target_link_libraries(evtrail_command PRIVATE evtrail-reader evtrail Threads::Threads m ${CMAKE_DL_LIBS})
endif()

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
