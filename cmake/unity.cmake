# SPDX-License-Identifier: Apache-2.0
# Compiles sources in groups of those of one folder: most of the compiler's time goes into the same
# headers, again for each file. Names in unnamed namespaces therefore have to differ within a folder.
option(LEAKBPF_UNITY "Compile the files of a folder in groups" ON)
set(leakbpf_unity_files 12) # of a group: more take longer to compile anew when one has changed

function(leakbpf_unity target)
  if(NOT LEAKBPF_UNITY)
    return()
  endif()
  # In a group each file looks like a header, in which types that no other file knows would matter.
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  foreach(source IN LISTS sources)
    get_filename_component(folder ${source} DIRECTORY)
    string(MAKE_C_IDENTIFIER "${folder}" folder)
    math(EXPR ${folder}_files "${${folder}_files} + 0")
    math(EXPR group "${${folder}_files} / ${leakbpf_unity_files}")
    math(EXPR ${folder}_files "${${folder}_files} + 1")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP "${folder}_${group}")
  endforeach()
endfunction()
