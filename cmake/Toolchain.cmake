# Compiler launcher, linker, warnings and sanitizers.
option(DEEPSEEK_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

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

# -Wno-restrict: GCC 12 warns wrongly inside std::string (GCC bug 105651).
# -ffp-contract=off: the bits of a row must not depend on what the compiler chose to fuse.
add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wno-restrict -Werror=return-type
                    -ffp-contract=off -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_link_options(-s)
endif()
if(DEEPSEEK_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
