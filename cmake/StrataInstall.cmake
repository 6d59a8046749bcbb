# cmake --install: the program, the text it uses by default, and the library for find_package(strata).
include(CMakePackageConfigHelpers)

install(TARGETS strata_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(DIRECTORY texts/tales DESTINATION ${CMAKE_INSTALL_DATADIR}/strata/texts COMPONENT program)
install(DIRECTORY src/strata DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN cli EXCLUDE)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/strata)
install(EXPORT strata-targets NAMESPACE strata:: DESTINATION ${package_dir})
configure_package_config_file(cmake/strata-config.cmake.in "${PROJECT_BINARY_DIR}/strata-config.cmake"
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/strata-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/strata-config.cmake" "${PROJECT_BINARY_DIR}/strata-config-version.cmake"
              cmake/StrataDependencies.cmake DESTINATION ${package_dir})
