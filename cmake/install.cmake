# SPDX-License-Identifier: ISC
# What leaves the build. Nothing of it is called libtrace or trace_*: another package owns those names.
include(CMakePackageConfigHelpers)

install(TARGETS evtrail evtrail-reader EXPORT evtrailTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET evtrail-libc) # sanitizer builds have none
  install(TARGETS evtrail-libc LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET evtrail-ocaml)
  install(TARGETS evtrail-ocaml EXPORT evtrailTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  list(APPEND PC_MORE evtrail-ocaml)
endif()
install(DIRECTORY ${LIBTRACE}/include/evtrail DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

file(RELATIVE_PATH PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" PC_UP ${PC_UP})
foreach(name evtrail evtrail-reader ${PC_MORE})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${CMAKE_BINARY_DIR}/pkgconfig/${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/pkgconfig/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

set(PACKAGE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/evtrail)
install(EXPORT evtrailTargets NAMESPACE evtrail:: DESTINATION ${PACKAGE_FOLDER})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/evtrailConfig.cmake.in ${CMAKE_BINARY_DIR}/evtrailConfig.cmake
  INSTALL_DESTINATION ${PACKAGE_FOLDER})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/evtrailConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/evtrailConfig.cmake ${CMAKE_BINARY_DIR}/evtrailConfigVersion.cmake
  DESTINATION ${PACKAGE_FOLDER})

install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN model EXCLUDE)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.c" PATTERN "*.def" PATTERN "*.h")

# The command, and what its own tables say of it: manual pages and completions.
if(TARGET evtrail_command)
  install(TARGETS evtrail_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  set(GENERATED ${CMAKE_BINARY_DIR}/generated)
  add_custom_command(OUTPUT ${GENERATED}/complete
    COMMAND ${PROJECT_SOURCE_DIR}/tools/generate ${GENERATED} ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:evtrail_command>
    DEPENDS evtrail_command ${PROJECT_SOURCE_DIR}/tools/generate
    COMMENT "Manual pages and completions" VERBATIM)
  add_custom_target(generated ALL DEPENDS ${GENERATED}/complete)
  install(DIRECTORY ${GENERATED}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
  install(FILES ${GENERATED}/bash/evtrail DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${GENERATED}/zsh/_evtrail DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()

# The connection pool, with and without its trace points, and the program that puts a load on it.
if(TARGET evtrail-pool)
  install(TARGETS evtrail-pool evtrail-pool-untraced EXPORT evtrailPoolTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(TARGETS evtrail-pool-static evtrail-pool-untraced-static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT evtrailPoolTargets NAMESPACE evtrail:: DESTINATION ${PACKAGE_FOLDER})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/pool-integration/include/evpool DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
  foreach(POOL_NAME evtrail-pool evtrail-pool-untraced)
    set(POOL_NEEDS "liburing libcares openssl")
    if(POOL_NAME STREQUAL evtrail-pool)
      string(PREPEND POOL_NEEDS "evtrail ")
    endif()
    configure_file(${PROJECT_SOURCE_DIR}/cmake/evtrail-pool.pc.in ${CMAKE_BINARY_DIR}/pkgconfig/${POOL_NAME}.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/pkgconfig/${POOL_NAME}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  endforeach()

  install(TARGETS pool-stress RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  set(POOL_STRESS_MAN ${CMAKE_BINARY_DIR}/generated-pool/pool-stress.1)
  add_custom_command(OUTPUT ${POOL_STRESS_MAN}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated-pool
    COMMAND pool-stress --man > ${POOL_STRESS_MAN}
    DEPENDS pool-stress VERBATIM)
  add_custom_target(generated_pool ALL DEPENDS ${POOL_STRESS_MAN})
  install(FILES ${POOL_STRESS_MAN} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${PROJECT_SOURCE_DIR}/pool-integration/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/pool-integration)
endif()
