// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "target/proc_fs.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

/// Acts as a user without rights for a while, where that is possible.
class AsNobody {
public:
  AsNobody() : was_(geteuid()), ok_(was_ != 0 || seteuid(65534) == 0) {}
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  ~AsNobody() {
    if (geteuid() != was_ && seteuid(was_) != 0)
      std::abort();
  }
  explicit operator bool() const { return ok_; }

private:
  uid_t was_;
  bool ok_;
};

TEST_CASE("a mapping of a file has all its fields", "[proc_fs]") {
  const Mapping mapping = parse_mapping("7f1200001000-7f1200003000 r-xp 0002a000 fd:01 1234567"
                                        "                    /usr/lib/libx.so.1");
  const Mapping expected{.start = 0x7f1200001000,
                         .end = 0x7f1200003000,
                         .offset = 0x2a000,
                         .executable = true,
                         .device = 0xfdULL << 32 | 1,
                         .inode = 1234567,
                         .path = "/usr/lib/libx.so.1",
                         .deleted = false};
  CHECK(mapping == expected);
}

TEST_CASE("only x makes a mapping executable", "[proc_fs]") {
  CHECK_FALSE(parse_mapping("1000-2000 rw-p 00000000 00:00 0").executable);
  CHECK(parse_mapping("1000-2000 --xp 00000000 00:00 0").executable);
}

TEST_CASE("a deleted file is told apart from its path", "[proc_fs]") {
  const Mapping mapping = parse_mapping("1000-2000 r-xp 0 08:02 99   /tmp/lib.so (deleted)");
  CHECK(mapping.deleted);
  CHECK(mapping.path == "/tmp/lib.so");
}

TEST_CASE("a path may hold blanks", "[proc_fs]") {
  const Mapping mapping = parse_mapping("1000-2000 r-xp 0 08:02 99   /opt/my app/lib  two.so");
  CHECK(mapping.path == "/opt/my app/lib  two.so");
  CHECK_FALSE(mapping.deleted);
}

TEST_CASE("memory of no file has a name in brackets or none", "[proc_fs]") {
  CHECK(parse_mapping("7ffd0000-7ffd2000 r-xp 00000000 00:00 0          [vdso]").path == "[vdso]");
  CHECK(parse_mapping("1000-2000 rw-p 00000000 00:00 0 ").path.empty());
  CHECK(parse_mapping("1000-2000 rw-p 00000000 00:00 0").inode == 0);
}

TEST_CASE("damaged lines are left out", "[proc_fs]") {
  const auto mappings = parse_mappings("\n"
                                       "no mapping at all\n"
                                       "1000 r-xp 0 08:02 99 /no/dash\n"
                                       "1000-2000 r 0 08:02 99 /short/permissions\n"
                                       "1000-2000 r-xp 0 08:02\n"
                                       "2000-1000 r-xp 0 08:02 99 /backwards\n"
                                       "zzzz-yyyy r-xp 0 08:02 99 /no/numbers\n"
                                       "3000-4000 r-xp 0 08:02 99 /good\n"
                                       "5000-60");
  REQUIRE(mappings.size() == 1);
  CHECK(mappings[0].path == "/good");
}

TEST_CASE("mappings come from the process's own file", "[proc_fs]") {
  FakeProc proc;
  proc.write(
      fake_pid, "maps",
      "1000-2000 r-xp 0 08:02 99 /a\n2000-3000 rw-p 0 08:02 99 /a\n4000-5000 rw-p 0 0:0 0\n");
  const auto mappings = proc.fs().mappings(fake_pid);
  REQUIRE(mappings);
  CHECK(mappings->size() == 3);
}

TEST_CASE("the fields of stat follow its last parenthesis", "[proc_fs]") {
  FakeProc proc;
  for (const std::string comm : {"worker", "comm (with) parens", ") R 1 2 (", "", "a\nb"}) {
    CAPTURE(comm);
    proc.write(fake_pid, "stat", FakeProc::stat_line(fake_pid, comm));
    const auto stat = proc.fs().stat(fake_pid);
    REQUIRE(stat);
    CHECK(stat->comm == comm);
    CHECK(stat->state == 'S');
    CHECK(stat->ppid == 17);
    CHECK_FALSE(stat->kernel_thread);
    CHECK(stat->page_faults == 903);
    CHECK(stat->user_ticks == 250);
    CHECK(stat->system_ticks == 50);
    CHECK(stat->threads == 8);
    CHECK(stat->start_ticks == 12345);
    CHECK(stat->start_stack == 140721000000000);
  }
}

TEST_CASE("a kernel thread says so", "[proc_fs]") {
  FakeProc proc;
  proc.write(fake_pid, "stat", FakeProc::stat_line(fake_pid, "kworker/0:1", 'I', "69238880"));
  CHECK(proc.fs().stat(fake_pid)->kernel_thread);
}

TEST_CASE("a damaged stat is an error", "[proc_fs]") {
  FakeProc proc;
  for (const std::string text :
       {"", "4242", "4242 (worker", "4242 )worker(", "4242 (worker) S 1"}) {
    CAPTURE(text);
    proc.write(fake_pid, "stat", text);
    const auto stat = proc.fs().stat(fake_pid);
    REQUIRE_FALSE(stat);
    CHECK(stat.error().code == ExitCode::no_target);
  }
}

TEST_CASE("a missing process is no target", "[proc_fs]") {
  const FakeProc proc;
  const auto stat = proc.fs().stat(fake_pid);
  REQUIRE_FALSE(stat);
  CHECK(stat.error().code == ExitCode::no_target);
  CHECK_THAT(stat.error().message, ContainsSubstring("no process with PID 4242"));
  CHECK_FALSE(proc.fs().mappings(fake_pid));
  CHECK_FALSE(proc.fs().resident_bytes(fake_pid));
}

TEST_CASE("an empty file is no error", "[proc_fs]") {
  FakeProc proc;
  proc.write(fake_pid, "maps", "");
  const auto text = proc.fs().read(fake_pid, "maps");
  REQUIRE(text);
  CHECK(text->empty());
}

TEST_CASE("a file that may not be read is no missing process", "[proc_fs]") {
  FakeProc proc;
  proc.write(fake_pid, "maps", "1000-2000 r-xp 0 08:02 99 /a\n");
  REQUIRE(chmod(proc.path(fake_pid, "maps").c_str(), 0) == 0);
  const AsNobody nobody;
  if (!nobody)
    SKIP("cannot become a user without rights");
  const auto text = proc.fs().read(fake_pid, "maps");
  REQUIRE_FALSE(text);
  CHECK(text.error().code == ExitCode::cannot_trace);
  CHECK_THAT(text.error().message, ContainsSubstring("Permission denied"));
  CHECK_FALSE(text.error().hint.empty());
}

TEST_CASE("a file that cannot be read does not mean that its process has ended", "[proc_fs]") {
  const FakeProc proc;
  std::filesystem::create_directories(proc.path(fake_pid, "stat")); // reading a folder fails
  const auto stat = proc.fs().stat(fake_pid);
  REQUIRE_FALSE(stat);
  CHECK(stat.error().code == ExitCode::cannot_trace);
  CHECK_THAT(stat.error().message, ContainsSubstring("stat: Is a directory"));
}

TEST_CASE("resident memory is counted in pages", "[proc_fs]") {
  FakeProc proc;
  proc.write(fake_pid, "statm", "5000 321 100 1 0 400 0\n");
  const auto bytes = proc.fs().resident_bytes(fake_pid);
  REQUIRE(bytes);
  CHECK(*bytes == 321 * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
}

TEST_CASE("a command line has its arguments joined by blanks", "[proc_fs]") {
  FakeProc proc;
  CHECK(proc.fs().command_line(fake_pid).empty());
  proc.add_process(fake_pid);
  CHECK(proc.fs().command_line(fake_pid) == "/usr/bin/worker --jobs 4");
  proc.write(fake_pid, "cmdline", "");
  CHECK(proc.fs().command_line(fake_pid).empty());
  proc.write(fake_pid, "cmdline", "worker: set its own title");
  CHECK(proc.fs().command_line(fake_pid) == "worker: set its own title");
}

TEST_CASE("arguments may hold blanks", "[proc_fs]") {
  FakeProc proc;
  CHECK(proc.fs().arguments(fake_pid).empty());
  proc.write(fake_pid, "cmdline", std::string("sh\0-c\0a b\0\0c\0", 13));
  CHECK(proc.fs().arguments(fake_pid) == std::vector<std::string>{"sh", "-c", "a b", "", "c"});
}

TEST_CASE("processes are the folders with a number", "[proc_fs]") {
  FakeProc proc;
  CHECK(proc.fs().processes().empty());
  proc.add_process(100);
  proc.add_process(9);
  for (const std::string name : {"sys", "1x", "-1", "0"})
    std::filesystem::create_directories(proc.folder / name);
  CHECK(proc.fs().processes() == std::vector<pid_t>{9, 100});
  CHECK(ProcFs("/no/such/folder").processes().empty());
}

TEST_CASE("this program knows itself in /proc", "[proc_fs]") {
  CHECK(ProcFs().self() == getpid());
  FakeProc proc;
  CHECK(proc.fs().self() == getpid());
  std::filesystem::create_symlink("812", proc.folder / "self"); // in another PID namespace
  CHECK(proc.fs().self() == 812);
}

TEST_CASE("each hierarchy has a line of its own", "[proc_fs]") {
  FakeProc proc;
  proc.write(fake_pid, "cgroup", "5:cpu,cpuacct:/a\ndamaged\n1:name=systemd:/b:c\n0::/\n");
  CHECK(proc.fs().cgroups(fake_pid) ==
        std::vector<CgroupLine>{{"cpu,cpuacct", "/a"}, {"name=systemd", "/b:c"}, {"", "/"}});
}

TEST_CASE("the cgroup is the memory controller's, else the unified one", "[proc_fs]") {
  FakeProc proc;
  CHECK(proc.fs().cgroup(fake_pid).empty());
  const auto cgroup = [&](const std::string& text) {
    proc.write(fake_pid, "cgroup", text);
    return proc.fs().cgroup(fake_pid);
  };
  CHECK(cgroup("0::/system.slice/a.service\n") == "/system.slice/a.service");
  CHECK(cgroup("0::/odd:name/with:colons\n") == "/odd:name/with:colons");
  CHECK(cgroup("5:cpu,cpuacct:/cpu\n4:memory:/docker/abc\n1:name=systemd:/init\n") ==
        "/docker/abc");
  CHECK(cgroup("9:hugetlb,memory:/both\n0::/unified\n") == "/both");
  CHECK(cgroup("3:cpuset:/x\n2:memory_like:/y\n") == "");
  CHECK(cgroup("damaged\n:\n\n") == "");
}

TEST_CASE("a link that is not there is empty", "[proc_fs]") {
  FakeProc proc;
  proc.add_process(fake_pid);
  std::filesystem::create_symlink("/usr/bin/worker", proc.path(fake_pid, "cwd"));
  CHECK(proc.fs().link(fake_pid, "cwd") == "/usr/bin/worker");
  CHECK(proc.fs().link(fake_pid, "root").empty());
}

TEST_CASE("the time of boot is found among the other lines of stat", "[proc_fs]") {
  const FakeProc proc;
  CHECK(proc.fs().boot_time() == 0);
  write_text(proc.folder / "stat",
             "cpu  1 2 3\nintr 5 6\nctxt 77\nbtime 1700000000\nprocesses 9\n");
  CHECK(proc.fs().boot_time() == 1700000000);
}

} // namespace
} // namespace leakbpf
