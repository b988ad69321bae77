# What the library links; installed too, because users of the static library link the same.
find_package(Threads REQUIRED)
if(HEED_KERNELS_ONLY)
  return()  # of Highway only headers are used
endif()
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-32)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(cairo REQUIRED IMPORTED_TARGET cairo cairo-pdf cairo-svg cairo-png)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-cpp)
