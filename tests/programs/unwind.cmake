# SPDX-License-Identifier: Apache-2.0
# Programs that know their own stacks (unwind_case.h), built as software is that is delivered:
# optimised, without frame pointers. What needs a compiler that is not here is left out, and the
# test of it is skipped.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64" OR NOT CMAKE_C_COMPILER_ID STREQUAL "GNU")
  message(STATUS "The unwind_* test programs need GCC on x86-64: left out")
  return()
endif()
enable_language(ASM)

set(unwind_options -O2 -g -fomit-frame-pointer -fno-builtin-malloc -fcf-protection=none
  -fno-sanitize=all -Wno-conversion)

function(leakbpf_unwind_options target)
  target_compile_options(${target} PRIVATE ${unwind_options} ${ARGN})
  target_link_options(${target} PRIVATE -fno-sanitize=all)
  set_target_properties(${target} PROPERTIES C_EXTENSIONS ON)
  add_dependencies(e2e_tests ${target})
endfunction()

function(leakbpf_unwind_program name)
  add_executable(${name} ${ARGN})
  leakbpf_unwind_options(${name})
  target_link_libraries(${name} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
endfunction()

leakbpf_unwind_program(unwind_frames unwind_frames.c)
leakbpf_unwind_program(unwind_threads unwind_threads.c)
leakbpf_unwind_program(unwind_parked unwind_parked.c)
leakbpf_unwind_program(unwind_signals unwind_signals.c)
leakbpf_unwind_program(unwind_asm unwind_asm.c unwind_asm.S)
target_link_options(unwind_asm PRIVATE -Wl,-z,lazy)
leakbpf_unwind_program(unwind_exceptions unwind_exceptions.cpp)
leakbpf_unwind_program(unwind_processes unwind_processes.c)
leakbpf_unwind_program(unwind_fibers unwind_fibers.c unwind_fibers.S)
leakbpf_unwind_program(unwind_coroutines unwind_coroutines.cpp)

add_library(unwind_lazy_library SHARED unwind_lazy_library.c)
leakbpf_unwind_options(unwind_lazy_library)
target_link_options(unwind_lazy_library PRIVATE -Wl,-z,lazy)
leakbpf_unwind_program(unwind_lazy unwind_lazy.c)
target_link_libraries(unwind_lazy PRIVATE unwind_lazy_library)
target_link_options(unwind_lazy PRIVATE -Wl,-z,lazy)

leakbpf_unwind_program(unwind_dlopen unwind_dlopen.c)
function(leakbpf_unwind_plugin letter room)
  add_library(unwind_plugin_${letter} MODULE unwind_plugin.c)
  leakbpf_unwind_options(unwind_plugin_${letter} -DPLUGIN=${letter} -DPLUGIN_ROOM=${room})
  set_target_properties(unwind_plugin_${letter} PROPERTIES PREFIX "")
endfunction()
leakbpf_unwind_plugin(a 48)
leakbpf_unwind_plugin(b 400)

# The same program by each way to link. FROM_MAIN: how a chain goes on there.
function(leakbpf_unwind_basic name end)
  cmake_parse_arguments(WITH "" "" "COMPILE;LINK" ${ARGN})
  add_executable(unwind_basic${name} unwind_basic.c)
  leakbpf_unwind_options(unwind_basic${name} ${WITH_COMPILE} "-DFROM_MAIN=\"${end}\"")
  target_link_options(unwind_basic${name} PRIVATE ${WITH_LINK})
endfunction()

set(as_usual "main <libc.so.6> _start [end]")
set(in_one_file "main * _start [end]")
leakbpf_unwind_basic("" ${as_usual})
leakbpf_unwind_basic(_no_pie ${as_usual} COMPILE -fno-pie LINK -no-pie)
leakbpf_unwind_basic(_static ${in_one_file} COMPILE -fno-pie LINK -static -no-pie)
leakbpf_unwind_basic(_static_pie ${in_one_file} COMPILE -fPIE LINK -static-pie)
leakbpf_unwind_basic(_frame_pointer ${as_usual} COMPILE -fno-omit-frame-pointer)
leakbpf_unwind_basic(_no_tables "main * [end]" COMPILE -fno-omit-frame-pointer
  -fno-asynchronous-unwind-tables -fno-unwind-tables)

# Another compiler makes OUTPUT; then it is one more program.
function(leakbpf_unwind_foreign name)
  cmake_parse_arguments(BY "" "SOURCE" "COMMAND" ${ARGN})
  add_custom_command(
    OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}
    COMMAND ${BY_COMMAND}
    DEPENDS ${BY_SOURCE} unwind_case.h
    VERBATIM
    COMMENT "Building ${name}")
  add_custom_target(${name}_program DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/${name})
  add_dependencies(e2e_tests ${name}_program)
endfunction()

find_program(MUSL_GCC NAMES musl-gcc)
find_program(RUSTC NAMES rustc)
find_program(GO NAMES go)
set(here ${CMAKE_CURRENT_SOURCE_DIR})
set(there ${CMAKE_CURRENT_BINARY_DIR})

if(MUSL_GCC) # its libc has neither unwind tables nor frame pointers
  function(leakbpf_unwind_musl program suffix from_main from_thread)
    leakbpf_unwind_foreign(${program}${suffix} SOURCE ${here}/${program}.c
      COMMAND ${MUSL_GCC} ${unwind_options} "-DFROM_MAIN=\"${from_main}\""
        "-DFROM_THREAD=\"${from_thread}\"" ${ARGN} ${here}/${program}.c
        -o ${there}/${program}${suffix})
  endfunction()
  foreach(program unwind_basic unwind_threads)
    leakbpf_unwind_musl(${program} _musl "main <libc.so>{1} [end]" "<libc.so>{1} [end]")
    leakbpf_unwind_musl(${program} _musl_static "main libc_start_main_stage2 [end]"
      "start* [end]" -static)
    leakbpf_unwind_musl(${program} _musl_stripped "main <${program}_musl_stripped>{1} [end]"
      "<${program}_musl_stripped>{1} [end]" -static -Wl,-x)
  endforeach()
else()
  message(STATUS "No musl-gcc (package musl-tools): its test programs are left out")
endif()

if(RUSTC)
  leakbpf_unwind_foreign(unwind_rust SOURCE ${here}/unwind_rust.rs
    COMMAND ${RUSTC} --edition 2021 -O -g -C force-frame-pointers=no ${here}/unwind_rust.rs
      -o ${there}/unwind_rust)
else()
  message(STATUS "No rustc: its test program is left out")
endif()

if(GO)
  leakbpf_unwind_foreign(unwind_go SOURCE ${here}/unwind_go.go
    COMMAND ${CMAKE_COMMAND} -E env CGO_ENABLED=1 GOFLAGS= GO111MODULE=off
      GOCACHE=${there}/go-cache ${GO} build -o ${there}/unwind_go ${here}/unwind_go.go)
else()
  message(STATUS "No go (package golang-go): its test program is left out")
endif()
