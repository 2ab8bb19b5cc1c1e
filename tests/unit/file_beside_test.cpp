// SPDX-License-Identifier: Apache-2.0
#include "target/file_beside.h"
#include "target/file_mapping.h"
#include "temporary_directory.h"

#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace leakbpf {
namespace {

Mapping made(const std::string& path) {
  std::ofstream(path) << "some text";
  const auto mapping = as_mapped(UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  REQUIRE(mapping);
  return *mapping;
}

TEST_CASE("a file is found by its identity beside what is mapped", "[file_beside]") {
  const TemporaryDirectory folder;
  const TemporaryDirectory elsewhere;
  const Mapping wanted = made(folder.path() + "/plugin.so");
  const Mapping hidden = made(elsewhere.path() + "/plugin.so");
  Mapping neighbour = made(folder.path() + "/host");
  neighbour.executable = true;
  const auto found = [&](const Mapping& file, const std::vector<Mapping>& mapped) {
    return find_beside(ProcFs(), getpid(), file.device, file.inode, mapped);
  };
  CHECK(found(wanted, {neighbour}) == folder.path() + "/plugin.so");
  CHECK(found(hidden, {neighbour}).empty());
  CHECK(found(wanted, {}).empty());
  Mapping gone = neighbour;
  gone.path = "/nowhere/at/all";
  CHECK(found(wanted, {gone}).empty());
  CHECK(found(wanted, {gone, neighbour}) == folder.path() + "/plugin.so");
  Mapping other = wanted;
  other.device++; // the inode alone says nothing
  CHECK(found(other, {neighbour}).empty());
}

} // namespace
} // namespace leakbpf
