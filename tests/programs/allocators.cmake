# SPDX-License-Identifier: Apache-2.0
# The matrix of tests/e2e/allocators_test.cpp: programs with a ledger by allocator, way of linking
# and language. What needs a library or a compiler that is not here is left out, and its tests are
# skipped.
set(here ${CMAKE_CURRENT_SOURCE_DIR})
set(there ${CMAKE_CURRENT_BINARY_DIR})

# leakbpf_family(SUFFIX LIBRARIES...): the ledger's program in C++ and the one in C, linked so.
function(leakbpf_family suffix)
  leakbpf_test_program(ledger_${suffix} ledger.cpp)
  leakbpf_test_program(allocator_family_${suffix} allocator_family.c)
  foreach(program ledger_${suffix} allocator_family_${suffix})
    # tcmalloc is written in C++.
    set_target_properties(${program} PROPERTIES LINK_LIBRARIES "" C_EXTENSIONS ON
      LINKER_LANGUAGE CXX)
    target_link_libraries(${program} PRIVATE ${ARGN} Threads::Threads ${CMAKE_DL_LIBS})
  endforeach()
endfunction()

# leakbpf_stripped(PROGRAM): PROGRAM_debuglink has its symbols in .debug/, PROGRAM_minidebug has
# them inside, compressed, PROGRAM_stripped has none.
function(leakbpf_stripped program)
  set(from $<TARGET_FILE:${program}>)
  set(debug ${there}/.debug/${program}.debug)
  add_custom_command(
    OUTPUT ${debug}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${there}/.debug
    COMMAND ${CMAKE_OBJCOPY} --only-keep-debug ${from} ${debug}
    DEPENDS ${program})
  add_custom_command(
    OUTPUT ${there}/${program}_stripped
    COMMAND ${CMAKE_OBJCOPY} --strip-all ${from} ${there}/${program}_stripped
    DEPENDS ${program})
  add_custom_command(
    OUTPUT ${there}/${program}_debuglink
    COMMAND ${CMAKE_OBJCOPY} --strip-all --add-gnu-debuglink=${debug} ${from}
      ${there}/${program}_debuglink
    DEPENDS ${debug})
  set(outputs ${there}/${program}_stripped ${there}/${program}_debuglink)
  if(XZ)
    # As Fedora does: the debug file without its debug information.
    add_custom_command(
      OUTPUT ${there}/${program}_minidebug
      COMMAND ${CMAKE_OBJCOPY} --strip-debug ${debug} ${debug}.mini
      COMMAND ${XZ} -kf ${debug}.mini
      COMMAND ${CMAKE_OBJCOPY} --strip-all --add-section .gnu_debugdata=${debug}.mini.xz ${from}
        ${there}/${program}_minidebug
      DEPENDS ${debug})
    list(APPEND outputs ${there}/${program}_minidebug)
  endif()
  add_custom_target(${program}_stripped_programs DEPENDS ${outputs})
  add_dependencies(e2e_tests ${program}_stripped_programs)
endfunction()

find_program(XZ NAMES xz)
find_program(MUSL_GCC NAMES musl-gcc)
find_program(RUSTC NAMES rustc)
find_program(GO NAMES go)

leakbpf_test_program(allocator_family allocator_family.c)
set_target_properties(allocator_family PROPERTIES C_EXTENSIONS ON)
leakbpf_family(glibc_static -static)
leakbpf_stripped(ledger_glibc_static)

add_library(c23_allocator MODULE c23_allocator.c)
target_compile_options(c23_allocator PRIVATE -O2 -fno-builtin -fno-sanitize=all -Wno-conversion)
target_link_options(c23_allocator PRIVATE -fno-sanitize=all)
set_target_properties(c23_allocator PROPERTIES PREFIX "")
add_dependencies(e2e_tests c23_allocator)

foreach(allocator jemalloc tcmalloc tcmalloc_minimal mimalloc)
  find_library(${allocator}_SHARED NAMES lib${allocator}.so)
  find_library(${allocator}_STATIC NAMES lib${allocator}.a)
  if(${allocator}_SHARED)
    leakbpf_family(${allocator} -Wl,--no-as-needed ${${allocator}_SHARED})
  else()
    message(STATUS "No lib${allocator}.so: its test programs are left out")
  endif()
endforeach()
foreach(allocator jemalloc tcmalloc_minimal)
  if(${allocator}_STATIC)
    leakbpf_family(${allocator}_inside ${${allocator}_STATIC} m)
    # glibc's pvalloc and cfree, which jemalloc lacks, come with a malloc that is not used.
    leakbpf_family(${allocator}_static -static -Wl,-z,muldefs ${${allocator}_STATIC} m)
    leakbpf_stripped(ledger_${allocator}_inside)
    leakbpf_stripped(ledger_${allocator}_static)
  endif()
endforeach()

# Debian has no static library of mimalloc, so it is made of the source that fetch_mimalloc brings.
set(cache $ENV{XDG_CACHE_HOME})
if(NOT cache)
  set(cache $ENV{HOME}/.cache)
endif()
set(mimalloc_source ${cache}/leakbpf/mimalloc/2.0.9)
if(EXISTS ${mimalloc_source}/src/static.c)
  add_library(mimalloc_object OBJECT ${mimalloc_source}/src/static.c)
  target_include_directories(mimalloc_object SYSTEM PRIVATE ${mimalloc_source}/include)
  target_compile_definitions(mimalloc_object PRIVATE MI_MALLOC_OVERRIDE MI_STATIC_LIB)
  target_compile_options(mimalloc_object PRIVATE -O2 -w -fno-builtin-malloc -fno-sanitize=all
    -ftls-model=initial-exec)
  leakbpf_family(mimalloc_inside mimalloc_object)
  leakbpf_family(mimalloc_static -static -Wl,-z,muldefs mimalloc_object)
  leakbpf_stripped(ledger_mimalloc_inside)
  leakbpf_stripped(ledger_mimalloc_static)
else()
  message(STATUS "No source of mimalloc (tests/programs/fetch_mimalloc): programs that have it "
    "inside are left out")
endif()

if(jemalloc_STATIC) # under other names, as programs have it that bring their own
  foreach(prefix je_ _rjem_)
    set(archive ${there}/lib${prefix}jemalloc.a)
    set(renames)
    foreach(name malloc calloc realloc free posix_memalign aligned_alloc memalign valloc mallocx
        rallocx xallocx sallocx dallocx sdallocx nallocx malloc_usable_size malloc_stats_print)
      list(APPEND renames --redefine-sym ${name}=${prefix}${name})
    endforeach()
    add_custom_command(
      OUTPUT ${archive}
      COMMAND ${CMAKE_OBJCOPY} ${renames} ${jemalloc_STATIC} ${archive}
      VERBATIM)
    add_custom_target(${prefix}jemalloc_archive DEPENDS ${archive})
    leakbpf_test_program(allocator_family_${prefix} allocator_family.c)
    set_target_properties(allocator_family_${prefix} PROPERTIES C_EXTENSIONS ON)
    target_compile_definitions(allocator_family_${prefix} PRIVATE JEMALLOC_PREFIX=${prefix})
    target_link_options(allocator_family_${prefix} PRIVATE -Wl,-u,${prefix}mallocx)
    target_link_libraries(allocator_family_${prefix} PRIVATE ${archive} m)
    add_dependencies(allocator_family_${prefix} ${prefix}jemalloc_archive)
  endforeach()
endif()

# leakbpf_foreign(NAME SOURCE COMMAND...): another compiler makes it.
function(leakbpf_foreign name source)
  add_custom_command(
    OUTPUT ${there}/${name}
    COMMAND ${ARGN}
    DEPENDS ${here}/${source}
    VERBATIM
    COMMENT "Building ${name}")
  add_custom_target(${name}_program DEPENDS ${there}/${name})
  add_dependencies(e2e_tests ${name}_program)
endfunction()

if(MUSL_GCC)
  foreach(kind "" _static)
    string(REPLACE _ - link "${kind}")
    leakbpf_foreign(allocator_family_musl${kind} allocator_family.c
      ${MUSL_GCC} -O0 -g -fno-builtin ${link} -o ${there}/allocator_family_musl${kind}
        ${here}/allocator_family.c)
  endforeach()
endif()
if(RUSTC)
  leakbpf_foreign(allocator_rust allocator_rust.rs
    ${RUSTC} --edition 2021 -O -g ${here}/allocator_rust.rs -o ${there}/allocator_rust)
  if(jemalloc_STATIC)
    leakbpf_foreign(allocator_rust_jemalloc allocator_rust.rs
      ${RUSTC} --edition 2021 -O -g --cfg jemalloc ${here}/allocator_rust.rs
        -o ${there}/allocator_rust_jemalloc -L ${there} -l static=_rjem_jemalloc -l m)
    add_dependencies(allocator_rust_jemalloc_program _rjem_jemalloc_archive)
  endif()
endif()
if(GO)
  leakbpf_foreign(allocator_go allocator_go.go
    ${CMAKE_COMMAND} -E env CGO_ENABLED=1 GOFLAGS= GO111MODULE=off GOCACHE=${there}/go-cache
      ${GO} build -o ${there}/allocator_go ${here}/allocator_go.go)
endif()
