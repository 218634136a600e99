# SPDX-License-Identifier: ISC
# libevtrail: what a traced program loads, needs only libc. libevtrail-reader: sessions, files, filters; zstd and io_uring.
# Each also as a static library with its internals linkable, for the tests.
set(LIBTRACE ${PROJECT_SOURCE_DIR}/libtrace)
file(GLOB CORE_SOURCES CONFIGURE_DEPENDS ${LIBTRACE}/*.c)
file(GLOB SHARED_SOURCES CONFIGURE_DEPENDS ${LIBTRACE}/shared/*.c)
file(GLOB READER_SOURCES CONFIGURE_DEPENDS ${LIBTRACE}/reader/*.c ${LIBTRACE}/file/*.c)

function(evtrail_objects name)
  if(NOT ARGN)
    file(WRITE ${CMAKE_BINARY_DIR}/nothing.c "extern int evtrail_nothing;\n")
    set(ARGN ${CMAKE_BINARY_DIR}/nothing.c)
  endif()
  add_library(${name} OBJECT ${ARGN})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${name} PRIVATE ${LIBTRACE}/include ${LIBTRACE})
  target_compile_definitions(${name} PRIVATE EVTRAIL_COMPILED_OUT)
endfunction()

function(evtrail_library name map)
  set_target_properties(${name} PROPERTIES SOVERSION 0 VERSION ${PROJECT_VERSION} LINK_DEPENDS ${map} LINKER_LANGUAGE C)
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${LIBTRACE}/include> $<INSTALL_INTERFACE:include>)
  target_link_options(${name} PRIVATE -Wl,--version-script=${map})
  if(NOT EVTRAIL_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-z,defs -Wl,-z,nodelete)
  endif()
endfunction()

evtrail_objects(evtrail_shared_objects ${SHARED_SOURCES})
evtrail_objects(evtrail_core_objects ${CORE_SOURCES})
evtrail_objects(evtrail_reader_objects ${READER_SOURCES})
target_link_libraries(evtrail_reader_objects PRIVATE PkgConfig::ZSTD PkgConfig::URING)

add_library(evtrail SHARED $<TARGET_OBJECTS:evtrail_core_objects> $<TARGET_OBJECTS:evtrail_shared_objects>)
evtrail_library(evtrail ${LIBTRACE}/evtrail.map)
# One segment less to map at each start: code and constants together.
target_link_options(evtrail PRIVATE -static-libgcc -Wl,-z,noseparate-code)

add_library(evtrail-reader SHARED $<TARGET_OBJECTS:evtrail_reader_objects> $<TARGET_OBJECTS:evtrail_shared_objects>)
evtrail_library(evtrail-reader ${LIBTRACE}/evtrail-reader.map)
set_target_properties(evtrail-reader PROPERTIES EXPORT_NAME reader)
target_link_libraries(evtrail-reader PRIVATE PkgConfig::ZSTD PkgConfig::URING m)

add_library(evtrail_shared_static STATIC $<TARGET_OBJECTS:evtrail_shared_objects>)
add_library(evtrail_static STATIC $<TARGET_OBJECTS:evtrail_core_objects>)
add_library(evtrail_reader_static STATIC $<TARGET_OBJECTS:evtrail_reader_objects>)
foreach(name evtrail_shared_static evtrail_static evtrail_reader_static)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
  target_include_directories(${name} PUBLIC ${LIBTRACE}/include ${LIBTRACE} ${LIBTRACE}/reader ${LIBTRACE}/file)
endforeach()
target_link_libraries(evtrail_static PUBLIC evtrail_shared_static)
target_link_libraries(evtrail_reader_static PUBLIC evtrail_shared_static PkgConfig::ZSTD PkgConfig::URING m)

add_library(evtrail::evtrail ALIAS evtrail)
add_library(evtrail::reader ALIAS evtrail-reader)
