# SPDX-License-Identifier: ISC
# Every tests/unit/NAME_test.c is the ctest NAME. Other kinds of test say what they need in tests/KIND/CMakeLists.txt.
if(CMAKE_CROSSCOMPILING)
  # Tests that start themselves again do so by the emulator: the kernel cannot run them. execv() wants its full path.
  list(POP_FRONT CMAKE_CROSSCOMPILING_EMULATOR emulator)
  find_program(EMULATOR ${emulator} REQUIRED)
  list(PREPEND CMAKE_CROSSCOMPILING_EMULATOR ${EMULATOR})
  list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " TEST_EMULATOR)
endif()

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

set(EVTRAIL_TIMEOUT 120)
if(EVTRAIL_SANITIZE OR CMAKE_CROSSCOMPILING)
  set(EVTRAIL_TIMEOUT 600)
endif()

# evtrail_unit_test(NAME SOURCE...): a cmocka program, linked statically so that internals can be tested.
function(evtrail_unit_test name)
  add_executable(${name}_test ${ARGN})
  set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name}_test PRIVATE test_support evtrail_reader_static evtrail_static PkgConfig::CMOCKA Threads::Threads
    ${CMAKE_DL_LIBS})
  target_compile_definitions(${name}_test PRIVATE EVTRAIL_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    EVTRAIL_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(NOT CORE_SOURCES)
    target_compile_definitions(${name}_test PRIVATE EVTRAIL_COMPILED_OUT)
  endif()
  add_test(NAME ${name} COMMAND ${name}_test)
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT ${EVTRAIL_TIMEOUT})
  if(CMAKE_CROSSCOMPILING)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "EVTRAIL_TEST_EMULATOR=${TEST_EMULATOR}")
  endif()
endfunction()

if(NOT EVTRAIL_FUZZ)
  file(GLOB UNIT_TESTS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/*_test.c)
  foreach(source ${UNIT_TESTS})
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_test$" "" name ${stem})
    evtrail_unit_test(${name} ${source})
  endforeach()
endif()

file(GLOB TEST_FOLDERS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*/CMakeLists.txt
  ${PROJECT_SOURCE_DIR}/docs/model/CMakeLists.txt)
foreach(file ${TEST_FOLDERS})
  cmake_path(GET file PARENT_PATH folder)
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${folder})
  if(NOT EVTRAIL_FUZZ OR folder STREQUAL "tests/fuzz")
    add_subdirectory(${folder})
  endif()
endforeach()
