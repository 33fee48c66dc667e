# Compiler launcher, linker, warnings and sanitizers.
option(DEEPSEEK_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(DEEPSEEK_TSAN "Build with ThreadSanitizer" OFF)
option(DEEPSEEK_FUZZ "Build the fuzz targets with libFuzzer (clang)" OFF)

find_program(CCACHE ccache)
if(CCACHE)
  # The clone's own path stays out of the hash, so that a fresh clone hits the cache of another one.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
      CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# GCC 12 warns wrongly inside std::string (GCC bug 105651); clang has no such warning.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(GNU_ONLY -Wno-restrict)
endif()
# -ffp-contract=off: the bits of a row must not depend on what the compiler chose to fuse.
add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion ${GNU_ONLY} -Werror=return-type
                    -ffp-contract=off -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_link_options(-s)
endif()
if(DEEPSEEK_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(DEEPSEEK_TSAN)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()
if(DEEPSEEK_FUZZ)
  # Coverage in every folder, so that libFuzzer sees which input reached something new; main only in the targets.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
