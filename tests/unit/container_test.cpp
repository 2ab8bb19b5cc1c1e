// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "target/container.h"
#include "target/process.h"

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>

namespace leakbpf {
namespace {

const std::string container_id = "3f2a9c0b17d2" + std::string(52, 'a');
const std::string other_container_id = "0123456789ab" + std::string(52, 'b');
const std::string kUid = "5f0f3b9e-9d7c-4f6a-8c3e-2b1d4e6f8a90";
const std::string kUidOfUnit = "5f0f3b9e_9d7c_4f6a_8c3e_2b1d4e6f8a90";

void check_container(const std::string& path, const std::string& runtime, const std::string& id,
                     const std::string& pod_uid = "") {
  INFO(path);
  const auto containers = containers_of_cgroup(path);
  REQUIRE(containers.size() == 1);
  CHECK(containers[0] == Container{id, runtime, pod_uid, ""});
}

TEST_CASE("a cgroup's path names the container and its runtime", "[container]") {
  check_container("/docker/" + container_id, "docker", container_id);
  check_container("/system.slice/docker-" + container_id + ".scope", "docker", container_id);
  check_container("/system.slice/docker-" + container_id + ".scope/init", "docker", container_id);
  check_container("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" + container_id +
                      ".scope",
                  "docker", container_id);
  check_container("/system.slice/nerdctl-" + container_id + ".scope", "containerd", container_id);
  check_container("/default/" + container_id, "", container_id); // nerdctl's, but nothing says so
  check_container("/machine.slice/libpod-" + container_id + ".scope", "podman", container_id);
  check_container("/machine.slice/libpod-" + container_id + ".scope/container", "podman",
                  container_id);
  check_container("/libpod_parent/libpod-" + container_id, "podman", container_id);
  check_container("/system.slice/shop.service/libpod-payload-" + container_id, "podman",
                  container_id);
  check_container("/lxc/web", "lxc", "web");
  check_container("/lxc.payload.web/system.slice/nginx.service", "lxc", "web");
  check_container("/lxc.payload/web", "lxc", "web");
  check_container("/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn", "web");
  check_container("/machine.slice/machine-web\\x2d1.scope/payload", "systemd-nspawn", "web-1");
}

TEST_CASE("a pod's uid is in the path of its containers", "[container]") {
  const std::string slice = "kubepods-besteffort-pod" + kUidOfUnit + ".slice";
  check_container("/kubepods.slice/kubepods-besteffort.slice/" + slice + "/cri-containerd-" +
                      container_id + ".scope",
                  "containerd", container_id, kUid);
  check_container("/kubepods.slice/kubepods-pod" + kUidOfUnit + ".slice/crio-" + container_id +
                      ".scope",
                  "crio", container_id, kUid);
  check_container("/kubepods.slice/kubepods-pod" + kUidOfUnit + ".slice/docker-" + container_id +
                      ".scope/container",
                  "docker", container_id, kUid);
  check_container("/kubepods/burstable/pod" + kUid + "/" + container_id, "", container_id, kUid);
  check_container("/kubepods/pod" + kUid + "/crio-" + container_id, "crio", container_id, kUid);
  check_container("/system.slice/containerd.service/" + slice + ":cri-containerd:" + container_id,
                  "containerd", container_id, kUid);
  const std::string static_pod(32, 'c'); // of a file on the node: no dashes
  check_container("/kubepods/pod" + static_pod + "/" + container_id, "", container_id, static_pod);
}

TEST_CASE("a path out of the reader's cgroup namespace is understood", "[container]") {
  check_container("/../../docker/" + container_id, "docker", container_id);
  check_container("/../" + container_id, "", container_id);
  check_container("/../../pod" + kUid + "/" + container_id, "", container_id, kUid);
  CHECK(containers_of_cgroup("/..").empty());
  CHECK(containers_of_cgroup("/../..").empty());
}

TEST_CASE("what is no container is none", "[container]") {
  const std::vector<std::string> paths{
      "",
      "/",
      "/system.slice/nginx.service",
      "/user.slice/user-0.slice/session-1.scope",
      "/system.slice/crio-conmon-" + container_id +
          ".scope", // looks after a container, from outside
      "/machine.slice/libpod-conmon-" + container_id + ".scope",      //
      "/lxc.monitor.web",                                             //
      "/machine.slice/systemd-nspawn@web.service/supervisor",         //
      "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope",              // a virtual machine
      "/machine.slice/machine-libpod_pod_" + container_id + ".slice", // a pod of podman's
      "/docker/" + container_id.substr(1),
      "/docker/x" + container_id,
      "/app/" + std::string(64, 'G'),
      "/kubepods/burstable/pod" + kUid};
  for (const std::string& path : paths) {
    INFO(path);
    CHECK(containers_of_cgroup(path).empty());
  }
}

TEST_CASE("of containers in containers the innermost comes first", "[container]") {
  const auto containers =
      containers_of_cgroup("/docker/" + other_container_id + "/kubelet/kubepods/pod" + kUid + "/" +
                           container_id + "/docker/" + other_container_id);
  REQUIRE(containers.size() == 3);
  CHECK(containers[0] == Container{other_container_id, "docker", "", ""});
  CHECK(containers[1] == Container{container_id, "", kUid, ""});
  CHECK(containers[2] == Container{other_container_id, "docker", "", ""});
}

TEST_CASE("any hierarchy of a process may tell its container", "[container]") {
  FakeProc proc;
  proc.add_process(fake_pid);
  CHECK(find_containers(proc.fs(), fake_pid).empty());
  proc.write(fake_pid, "cgroup", "4:memory:/\n1:name=systemd:/docker/" + container_id + "\n0::/\n");
  REQUIRE(find_containers(proc.fs(), fake_pid).size() == 1);
  CHECK(find_containers(proc.fs(), 99).empty()); // has ended
}

/// A process of a pod, in namespaces of its own.
struct FakePod {
  FakePod() {
    proc.add_process(fake_pid);
    proc.write(fake_pid, "cgroup", "0::/kubepods/pod" + kUid + "/" + container_id + "\n");
    set_names(fake_pid, "uts:[4026532001]");
    set_names(1, "uts:[4026531838]");
    std::filesystem::create_directories(proc.path(fake_pid, "root/etc"));
  }
  void set_names(pid_t pid, const std::string& names) const {
    std::filesystem::create_directories(proc.path(pid, "ns"));
    std::filesystem::remove(proc.path(pid, "ns/uts"));
    std::filesystem::create_symlink(names, proc.path(pid, "ns/uts"));
  }
  [[nodiscard]] std::string pod_name() const {
    const auto container = inspect_container(proc.fs(), fake_pid);
    REQUIRE(container);
    CHECK(container->pod_uid == kUid);
    return container->pod_name;
  }
  FakeProc proc;
};

TEST_CASE("a pod's name is its host name", "[container]") {
  const FakePod pod;
  CHECK(pod.pod_name().empty());
  pod.proc.write(fake_pid, "environ", std::string("HOME=/\0HOSTNAME=shop-5d9f\0TERM=x", 32));
  CHECK(pod.pod_name() == "shop-5d9f");
  pod.proc.write(fake_pid, "root/etc/hostname", "shop-5d9f-x2k\n");
  CHECK(pod.pod_name() == "shop-5d9f-x2k"); // a program can change its environment
}

TEST_CASE("a pod with the machine's host name has no name", "[container]") {
  const FakePod pod;
  pod.proc.write(fake_pid, "root/etc/hostname", "node-1\n");
  pod.set_names(1, "uts:[4026532001]");
  CHECK(pod.pod_name().empty());
  // leakbpf is in that pod: init is the pod's.
  pod.proc.write(1, "cgroup", "0::/kubepods/pod" + kUid + "/" + other_container_id + "\n");
  CHECK(pod.pod_name() == "node-1");
}

TEST_CASE("a container's files are not trusted", "[container]") {
  const FakePod pod;
  const std::string file = pod.proc.path(fake_pid, "root/etc/hostname");
  SECTION("a link out of its root") {
    write_text(pod.proc.folder / "secret", "secret\n");
    std::filesystem::create_symlink(pod.proc.folder / "secret", file);
  }
  SECTION("a link upwards") {
    write_text(pod.proc.path(fake_pid, "secret"), "secret\n");
    std::filesystem::create_symlink("../../secret", file);
  }
  SECTION("a pipe that nobody writes to") {
    REQUIRE(mkfifo(file.c_str(), 0600) == 0);
  }
  SECTION("what is no name") {
    write_text(file, "<script>\n");
  }
  SECTION("what is too long for a name") {
    write_text(file, std::string(10000, 'a'));
  }
  CHECK(pod.pod_name().empty());
}

TEST_CASE("a process is described with its container and its PID there", "[container]") {
  FakeProc proc;
  proc.add_process(fake_pid);
  auto process = inspect_process(proc.fs(), fake_pid);
  REQUIRE(process);
  CHECK_FALSE(process->container);
  CHECK_FALSE(process->namespaced_pid);
  proc.write(fake_pid, "cgroup", "0::/docker/" + container_id + "\n");
  proc.write(fake_pid, "status", "Name:\tNSpid: 5\nTgid:\t4242\nPid:\t4242\nNSpid:\t4242\t31\t7\n");
  process = inspect_process(proc.fs(), fake_pid);
  REQUIRE(process);
  CHECK(process->container == Container{container_id, "docker", "", ""});
  CHECK(process->namespaced_pid == 7);
  proc.write(fake_pid, "status", "Name:\tx\nTgid:\t4242\nPid:\t4242\nNSpid:\t4242\n");
  CHECK_FALSE(inspect_process(proc.fs(), fake_pid)->namespaced_pid);
}

} // namespace
} // namespace leakbpf
