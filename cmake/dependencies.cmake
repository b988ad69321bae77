# Everything comes from Debian's packages (tools/packages.txt names them); nothing is downloaded here.
include(${CMAKE_CURRENT_LIST_DIR}/link_dependencies.cmake)
find_package(nlohmann_json REQUIRED)
if(HEED_BUILD_CLI)
  find_package(CLI11 REQUIRED)
endif()
if(HEED_BUILD_TESTS AND CMAKE_CROSSCOMPILING)
  # Debian's package has the library for this machine, and its sources.
  add_subdirectory(/usr/src/googletest ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL SYSTEM)
elseif(HEED_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
