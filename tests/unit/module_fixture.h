// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of symbol/module.h: places in this process, files in a temporary directory.
#pragma once

#include "symbol/module.h"
#include "temporary_directory.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <link.h>

namespace leakbpf::module_fixture {

namespace fs = std::filesystem;
using leakbpf::TemporaryDirectory;

struct Place {
  std::string path;
  std::uint64_t offset = 0;
  const void* address = nullptr;
};

/// The file and the file offset that `address` of this process comes from.
inline Place place_of(const void* address) {
  Place place{"", 0, address};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& wanted = *static_cast<Place*>(data);
        const auto at = reinterpret_cast<std::uintptr_t>(wanted.address);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& segment = info->dlpi_phdr[i];
          const std::uintptr_t start = info->dlpi_addr + segment.p_vaddr;
          if (segment.p_type != PT_LOAD || at < start || at - start >= segment.p_filesz)
            continue;
          wanted.offset = at - start + segment.p_offset;
          wanted.path = *info->dlpi_name != '\0' ? info->dlpi_name : "/proc/self/exe";
          return 1;
        }
        return 0;
      },
      &place);
  return place;
}

inline Module open_module(const std::string& path, const std::string& root = "") {
  auto module = Module::open(path, root);
  INFO((module ? "" : module.error().message));
  REQUIRE(module);
  return *std::move(module);
}

inline void run(const std::string& command) {
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0);
}

inline std::vector<char> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

} // namespace leakbpf::module_fixture
