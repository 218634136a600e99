# SPDX-License-Identifier: ISC
# Units of evtrail send and collect, with the path of the installed command, and examples of their configuration.
set(EVTRAIL_SYSTEMD_DIR lib/systemd CACHE STRING "Where systemd's units go, below the prefix unless it is absolute; empty: nowhere")
if(NOT WITH_POOL OR EVTRAIL_SYSTEMD_DIR STREQUAL "")
  return()
endif()
set(UNITS ${PROJECT_SOURCE_DIR}/tools/systemd)
file(READ ${UNITS}/hardening.conf HARDENING)
string(STRIP "${HARDENING}" HARDENING)
set(EVTRAIL ${CMAKE_INSTALL_FULL_BINDIR}/evtrail)
foreach(unit evtrail-collect.service evtrail-send@.service evtrail-send.service)
  configure_file(${UNITS}/${unit}.in ${CMAKE_BINARY_DIR}/systemd/${unit} @ONLY)
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/systemd/evtrail-collect.service ${CMAKE_BINARY_DIR}/systemd/evtrail-send@.service
  DESTINATION ${EVTRAIL_SYSTEMD_DIR}/system)
install(FILES ${CMAKE_BINARY_DIR}/systemd/evtrail-send.service DESTINATION ${EVTRAIL_SYSTEMD_DIR}/user)
install(FILES ${UNITS}/collect.conf ${UNITS}/send.conf DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples/services)
