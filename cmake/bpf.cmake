# SPDX-License-Identifier: Apache-2.0
# Compiles bpf/NAME.bpf.c with clang and makes generated/NAME.skel.h from it.
find_program(CLANG NAMES clang clang-19 clang-18 clang-16 clang-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
  set(bpf_arch x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
  set(bpf_arch arm64)
else()
  message(FATAL_ERROR "leakbpf: no support for ${CMAKE_SYSTEM_PROCESSOR}")
endif()

function(leakbpf_bpf_skeleton name)
  set(source ${CMAKE_SOURCE_DIR}/bpf/${name}.bpf.c)
  set(object ${CMAKE_BINARY_DIR}/generated/${name}.bpf.o)
  set(skeleton ${CMAKE_BINARY_DIR}/generated/${name}.skel.h)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bpf/*.h
    ${CMAKE_SOURCE_DIR}/bpf/unwind/*.h ${CMAKE_SOURCE_DIR}/bpf/python/*.h ${CMAKE_SOURCE_DIR}/include/leakbpf/*.h
    ${CMAKE_SOURCE_DIR}/vmlinux/${bpf_arch}/*.h)
  add_custom_command(
    OUTPUT ${object}
    # -g for BTF; the uapi headers of this architecture, since the target is bpf.
    COMMAND ${CLANG} -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_${bpf_arch}
      -I${CMAKE_SOURCE_DIR}/include -I${CMAKE_SOURCE_DIR}/vmlinux/${bpf_arch}
      -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
      -Wall -Wextra -Wno-unused-parameter -Werror
      -c ${source} -o ${object}
    DEPENDS ${source} ${headers}
    COMMENT "Compiling ${name}.bpf.c")
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
    DEPENDS ${object}
    VERBATIM
    COMMENT "Making ${name}.skel.h")
  add_custom_target(${name}_skeleton DEPENDS ${skeleton})
endfunction()
