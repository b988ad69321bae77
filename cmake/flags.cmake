# Flags of our own targets, never leaked to those who link heed.
find_program(HEED_CCACHE ccache)
if(HEED_CCACHE AND PROJECT_IS_TOP_LEVEL)
  # what ccache asks for before it caches anything beside precompiled headers
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${HEED_CCACHE})
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

# heed_precompile(TARGET HEADER... or REUSE_FROM OTHER): what most sources include is parsed once, which takes a
# third off their time; by one target for all that have its flags. The clang preset does without, so that
# clang-tidy finds a source that forgets a header.
function(heed_precompile target)
  if(ARGV1 STREQUAL "REUSE_FROM")
    target_precompile_headers(${target} ${ARGN})
  else()
    target_precompile_headers(${target} PRIVATE <algorithm> <cmath> <filesystem> <functional> <map>
      <memory> <optional> <string> <string_view> <vector> ${ARGN})
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # for ccache
  else()
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # for ccache
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # false on std::string, which is no system header's any more where it comes precompiled
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-stringop-overflow)
  endif()
endfunction()
