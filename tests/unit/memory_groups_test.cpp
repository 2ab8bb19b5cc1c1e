// SPDX-License-Identifier: Apache-2.0
#include "target/memory_groups.h"
#include "temporary_directory.h"

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

namespace leakbpf {
namespace {

/// Directories that look like mounted cgroup hierarchies.
struct Mounts {
  TemporaryDirectory folder;

  /// Makes one at `name` and returns its path.
  [[nodiscard]] std::string at(const std::string& name) const {
    std::filesystem::create_directories(folder / name);
    write_text(folder / (name + "/cgroup.procs"), "");
    return folder / name;
  }
};

std::string v1_line(const std::string& root, const std::string& directory,
                    const std::string& controllers = "memory") {
  return "35 31 0:32 " + root + " " + directory +
         " rw,relatime shared:9 master:2 - cgroup cgroup rw," + controllers + "\n";
}

std::string v2_line(const std::string& root, const std::string& directory) {
  return "41 31 0:38 " + root + " " + directory + " rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
}

TEST_CASE("a unified hierarchy shows a group and all that it lies in", "[memory_groups]") {
  const Mounts mounts;
  const std::string top = mounts.at("cgroup");
  const MemoryHierarchy hierarchy("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + v2_line("/", top));
  CHECK(hierarchy.version() == CgroupVersion::v2);
  CHECK(hierarchy.groups("/system.slice/shop.service") ==
        std::vector<MemoryGroup>{{"/system.slice/shop.service", top + "/system.slice/shop.service"},
                                 {"/system.slice", top + "/system.slice"},
                                 {"/", top}});
  CHECK(hierarchy.groups("/") == std::vector<MemoryGroup>{{"/", top}});
  CHECK(hierarchy.groups("").empty());
}

TEST_CASE("a v1 memory controller goes before a unified hierarchy", "[memory_groups]") {
  const Mounts mounts;
  const std::string memory = mounts.at("memory");
  const std::string unified = v2_line("/", mounts.at("unified"));
  const std::string others = v1_line("/", mounts.at("cpu"), "cpu,cpuacct") +
                             v1_line("/", mounts.at("named"), "name=memory");
  const std::string controllers = GENERATE("memory", "hugetlb,memory", "memory,hugetlb");
  CAPTURE(controllers);
  const MemoryHierarchy hierarchy(unified + others + v1_line("/", memory, controllers));
  CHECK(hierarchy.version() == CgroupVersion::v1);
  CHECK(hierarchy.mounts() == std::vector<CgroupMount>{{"/", memory}});
  CHECK(MemoryHierarchy(unified + others).version() == CgroupVersion::v2);
}

TEST_CASE("a part of a hierarchy shows the groups in it", "[memory_groups]") {
  const Mounts mounts;
  const std::string part = mounts.at("part");
  const MemoryHierarchy hierarchy(v1_line("/docker/abc", part));
  CHECK(hierarchy.groups("/docker/abc/worker") ==
        std::vector<MemoryGroup>{{"/docker/abc/worker", part + "/worker"}, {"/docker/abc", part}});
  CHECK(hierarchy.groups("/docker/abc") == std::vector<MemoryGroup>{{"/docker/abc", part}});
  CHECK(hierarchy.groups("/docker/abcdef").empty());
  CHECK(hierarchy.groups("/docker").empty());
  CHECK(hierarchy.groups("/").empty());
}

TEST_CASE("the mount that shows most of the hierarchy is taken", "[memory_groups]") {
  const Mounts mounts;
  const std::string whole = mounts.at("whole");
  const std::string part = mounts.at("part");
  const MemoryHierarchy hierarchy(v2_line("/pods/one", part) + v2_line("/", whole));
  CHECK(hierarchy.groups("/pods/one").back() == MemoryGroup{"/", whole});
  const MemoryHierarchy two(v2_line("/pods/one", part) + v2_line("/other", whole));
  CHECK(two.groups("/pods/one") == std::vector<MemoryGroup>{{"/pods/one", part}});
  CHECK(two.groups("/other/x").front() == MemoryGroup{"/other/x", whole + "/x"});
}

TEST_CASE("a group outside the reader's namespace is not found", "[memory_groups]") {
  const Mounts mounts;
  const std::string top = mounts.at("cgroup");
  const MemoryHierarchy inside(v2_line("/", top));
  CHECK(inside.groups("/..").empty());
  CHECK(inside.groups("/../../system.slice/shop.service").empty());
  CHECK(inside.groups("/a/../b").empty());
  CHECK(inside.groups("/..a/b..").size() == 3); // that is a name
  // The mount was made outside: only what lies below its top has a path.
  const MemoryHierarchy outside(v2_line("/..", top));
  CHECK(outside.groups("/../sibling").front() == MemoryGroup{"/../sibling", top + "/sibling"});
  CHECK(outside.groups("/../../x").empty());
  CHECK(outside.groups("/").empty());
}

TEST_CASE("a hierarchy that is hidden below another mount is left out", "[memory_groups]") {
  const Mounts mounts;
  std::filesystem::create_directories(mounts.folder / "hidden");
  const std::string unified = mounts.at("unified");
  const MemoryHierarchy hierarchy(v1_line("/", mounts.folder / "hidden") + v2_line("/", unified));
  CHECK(hierarchy.version() == CgroupVersion::v2);
  CHECK(hierarchy.mounts() == std::vector<CgroupMount>{{"/", unified}});
}

TEST_CASE("odd characters in a mount's path are put back", "[memory_groups]") {
  const Mounts mounts;
  const std::string odd = mounts.at("a b\\c\td");
  const MemoryHierarchy hierarchy(
      v2_line("/x\\040y\\134z\\9", mounts.folder.path() + "/a\\040b\\134c\\011d"));
  CHECK(hierarchy.mounts() == std::vector<CgroupMount>{{"/x y\\z\\9", odd}});
}

TEST_CASE("damaged lines of the mount table are left out", "[memory_groups]") {
  const Mounts mounts;
  const std::string top = mounts.at("cgroup");
  const MemoryHierarchy hierarchy("\n\n36\n36 35 0:1 / " + top + "\n36 35 0:1 / " + top +
                                  " rw cgroup2 cgroup2 rw\n36 35 0:1 / " + top + " rw - cgroup2");
  CHECK(hierarchy.mounts().size() == 1); // the last has all that is needed
  CHECK(MemoryHierarchy("").mounts().empty());
  CHECK(MemoryHierarchy("").groups("/a").empty());
}

} // namespace
} // namespace leakbpf
