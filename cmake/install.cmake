# The library for find_package(heed): targets, the public headers, and what a static build links.
include(CMakePackageConfigHelpers)
set(heed_package ${CMAKE_INSTALL_LIBDIR}/cmake/heed)

install(TARGETS heed EXPORT heedTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT heedTargets NAMESPACE heed:: DESTINATION ${heed_package})
set(HEED_HAS_MPI OFF)
if(TARGET PkgConfig::ompi)
  set(HEED_HAS_MPI ON)
endif()
configure_package_config_file(cmake/heedConfig.cmake.in ${PROJECT_BINARY_DIR}/heedConfig.cmake
  INSTALL_DESTINATION ${heed_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/heedConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/heedConfig.cmake ${PROJECT_BINARY_DIR}/heedConfigVersion.cmake
              cmake/link_dependencies.cmake
  DESTINATION ${heed_package})

# Public is what heed/heed.h reaches; found when installing, so that it is never a second list.
install(CODE "
  set(heed_source \"${PROJECT_SOURCE_DIR}\")
  set(heed_destination \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_INCLUDEDIR}\")
  include(\"${PROJECT_SOURCE_DIR}/cmake/install_headers.cmake\")")
