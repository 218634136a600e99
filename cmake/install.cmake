# SPDX-License-Identifier: ISC
# What leaves the build. Nothing of it is called libtrace or trace_*: another package owns those names.
include(CMakePackageConfigHelpers)
install(TARGETS evtrail evtrail-reader EXPORT evtrail
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/libtrace/include/evtrail DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
