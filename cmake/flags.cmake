# Flags of our own targets, never leaked to those who link heed.
find_program(HEED_CCACHE ccache)
if(HEED_CCACHE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HEED_CCACHE})
  if(HEED_SANITIZE)  # what ccache asks for before it caches anything beside precompiled headers
    list(PREPEND CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime)
  endif()
endif()

add_library(heed_flags INTERFACE)
target_compile_options(heed_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  # options are structs with defaults: {.mask = m} leaves out the others on purpose
  -Wno-missing-field-initializers
  # a*b+c is fused where the source says MulAdd and nowhere else: the bits must not depend on the
  # optimiser's mood (docs/decisions/0002-determinism.md)
  -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(heed_flags INTERFACE -Wno-restrict)  # GCC PR105651: false on std::string +
endif()
if(HEED_WERROR)
  target_compile_options(heed_flags INTERFACE -Werror)
endif()
if(HEED_SANITIZE)
  target_compile_options(heed_flags INTERFACE -fsanitize=${HEED_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all -g1)
  target_link_options(heed_flags INTERFACE -fsanitize=${HEED_SANITIZE})
endif()
if(HEED_BUILD_FUZZ)
  target_compile_options(heed_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# heed_precompile(TARGET HEADER...): the sanitizers' builds parse once what most sources include. The
# others do without, so that a source that forgets a header is found; GCC would gain little.
function(heed_precompile target)
  if(HEED_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_precompile_headers(${target} PRIVATE <algorithm> <cmath> <filesystem> <functional> <map>
      <memory> <optional> <string> <string_view> <vector> ${ARGN})
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # for ccache
  endif()
endfunction()
