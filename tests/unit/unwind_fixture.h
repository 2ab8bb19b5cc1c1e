// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of user/unwind: rules in few words, tables of hand-made and of real files.
#pragma once

#include "elf_image.h"
#include "unwind/unwind_table.h"

#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

inline bool operator==(const leakbpf_unwind_rule& a, const leakbpf_unwind_rule& b) {
  return a.cfa == b.cfa && a.cfa_register == b.cfa_register &&
         a.return_register == b.return_register && a.saved_fp == b.saved_fp &&
         a.cfa_offset == b.cfa_offset && a.cfa_add == b.cfa_add && a.fp_offset == b.fp_offset;
}

inline std::ostream& operator<<(std::ostream& out, const leakbpf_unwind_rule& rule) {
  return out << "{cfa " << int{rule.cfa} << ", register " << int{rule.cfa_register} << ", return "
             << int{rule.return_register} << ", fp " << int{rule.saved_fp} << ", "
             << rule.cfa_offset << ", " << rule.cfa_add << ", " << rule.fp_offset << "}";
}

namespace leakbpf::unwind_fixture {

inline leakbpf_unwind_rule only(leakbpf_cfa kind) {
  leakbpf_unwind_rule rule{};
  rule.cfa = static_cast<__u8>(kind);
  return rule;
}

/// CFA = base + offset, the return address at CFA - 8, rbp unchanged.
inline leakbpf_unwind_rule at(int base, int offset) {
  leakbpf_unwind_rule rule = only(LEAKBPF_CFA_REGISTER);
  rule.cfa_register = static_cast<__u8>(base);
  rule.cfa_offset = offset;
  rule.return_register = LEAKBPF_RETURN_IN_MEMORY;
  return rule;
}

inline leakbpf_unwind_rule with_fp(leakbpf_unwind_rule rule, int kind, int offset = 0) {
  rule.saved_fp = static_cast<__u8>(kind);
  rule.fp_offset = offset;
  return rule;
}

inline ElfFile open_elf(const std::string& path) {
  auto file = ElfFile::open(path);
  INFO((file ? "" : file.error().message));
  REQUIRE(file);
  return *std::move(file);
}

inline UnwindTable table_of(const ElfFile& file) {
  auto table = build_unwind_table(file);
  INFO((table ? "" : table.error().message));
  REQUIRE(table);
  return *std::move(table);
}

inline UnwindTable table_of_image(const cfi::Bytes& image) {
  auto file = ElfFile::open_image(image.data(), image.size());
  INFO((file ? "" : file.error().message));
  REQUIRE(file);
  return table_of(*file);
}

inline UnwindTable table_of(const cfi::ElfImage& image) {
  return table_of_image(image.build());
}

/// Files with much hand-written call-frame information, as far as they are there.
inline std::vector<std::string> real_files() {
  std::vector<std::string> found;
  for (const char* path :
       {"/proc/self/exe", "/usr/bin/python3.11", "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/libc.so.6", "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libcrypto.so.3",
        "/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/lib/x86_64-linux-gnu/libdw.so.1"})
    if (std::filesystem::exists(path))
      found.emplace_back(path);
  return found;
}

} // namespace leakbpf::unwind_fixture
