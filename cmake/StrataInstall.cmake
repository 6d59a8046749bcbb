# cmake --install: the program, the text it uses by default, and the library for find_package(strata).
include(CMakePackageConfigHelpers)

install(TARGETS strata_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(DIRECTORY texts/tales DESTINATION ${CMAKE_INSTALL_DATADIR}/strata/texts COMPONENT program)

# What strata/strata.h is made of; every other header is internal.
foreach(header strata.h base/error.h base/matrix.h base/progress.h model/compute.h record/divergence.h record/findings.h
               record/run_directory.h record/study.h record/trace.h report/report.h signals/token_signal.h workflow/analyze.h
               workflow/catalogue.h workflow/model.h workflow/states.h)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES src/strata/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/strata/${folder})
endforeach()
install(FILES "${PROJECT_BINARY_DIR}/generated/strata/version.h" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/strata)

# strata::strata, what a consumer links.
add_library(strata_strata INTERFACE)
set_target_properties(strata_strata PROPERTIES EXPORT_NAME strata)
target_link_libraries(strata_strata INTERFACE strata_workflow)
target_include_directories(strata_strata INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS strata_strata EXPORT strata-targets)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/strata)
install(EXPORT strata-targets NAMESPACE strata:: DESTINATION ${package_dir})
configure_package_config_file(cmake/strata-config.cmake.in "${PROJECT_BINARY_DIR}/strata-config.cmake"
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/strata-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/strata-config.cmake" "${PROJECT_BINARY_DIR}/strata-config-version.cmake"
              cmake/StrataDependencies.cmake DESTINATION ${package_dir})
