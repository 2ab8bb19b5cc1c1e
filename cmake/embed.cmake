# SPDX-License-Identifier: Apache-2.0
# leakbpf_embed(TARGET FILE...): makes generated/assets.h, in which each file is a constant of
# namespace leakbpf::assets, "flame.js" as flame_js. It is made anew when a file changes. The same
# file is the script that makes it, which runs at build time.

function(leakbpf_embed target)
  set(header ${CMAKE_CURRENT_BINARY_DIR}/generated/assets.h)
  set(files)
  foreach(file IN LISTS ARGN)
    get_filename_component(path ${file} ABSOLUTE)
    list(APPEND files ${path})
  endforeach()
  list(JOIN files "|" joined) # a semicolon would end the argument
  add_custom_command(
    OUTPUT ${header}
    COMMAND ${CMAKE_COMMAND} -DHEADER=${header} -DFILES=${joined}
      -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    DEPENDS ${files} ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    VERBATIM
    COMMENT "Embedding assets")
  add_custom_target(${target}_assets DEPENDS ${header})
  add_dependencies(${target} ${target}_assets)
endfunction()

if(NOT CMAKE_SCRIPT_MODE_FILE)
  return()
endif()

# Pieces, since compilers limit the length of one literal: C++ asks for 64 KiB, some keep to less.
set(piece_size 8000)
string(CONCAT out "// Made by cmake/embed.cmake: do not edit.\n#pragma once\n\n"
  "#include <string_view>\n\nnamespace leakbpf::assets {\n")
string(REPLACE "|" ";" files "${FILES}")
foreach(path IN LISTS files)
  file(READ "${path}" text)
  string(FIND "${text}" ")asset\"" delimiter)
  if(NOT delimiter EQUAL -1)
    message(FATAL_ERROR "${path} has the end of a raw string literal in it")
  endif()
  get_filename_component(name "${path}" NAME)
  string(MAKE_C_IDENTIFIER "${name}" name)
  string(APPEND out "\ninline constexpr std::string_view ${name} =")
  string(LENGTH "${text}" length)
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} ${piece_size} piece)
    string(APPEND out "\n    R\"asset(${piece})asset\"")
    math(EXPR at "${at} + ${piece_size}")
  endwhile()
  string(APPEND out ";\n")
endforeach()
file(WRITE "${HEADER}" "${out}\n} // namespace leakbpf::assets\n")
