// SPDX-License-Identifier: Apache-2.0
#include "target/container.h"

#include "base/unique_fd.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr std::size_t id_digits = 64;

struct Prefix {
  std::string_view text;
  std::string_view runtime;
};

/// What stands before an id in the name of its cgroup: "docker-<id>.scope".
constexpr std::array<Prefix, 7> prefixes{{{"docker", "docker"},
                                          {"cri-containerd", "containerd"},
                                          {"containerd", "containerd"},
                                          {"nerdctl", "containerd"},
                                          {"crio", "crio"},
                                          {"libpod-payload", "podman"},
                                          {"libpod", "podman"}}};

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (!part.empty() && part != "..")
      parts.push_back(part);
  }
  return parts;
}

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
  if (text.ends_with(suffix))
    text.remove_suffix(suffix.size());
  return text;
}

/// systemd writes '-' and the like as "\x2d" in the names of its units.
std::string unescape_unit(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string name;
  for (std::size_t i = 0; i < text.size(); i++) {
    const bool escaped =
        text.substr(i).starts_with("\\x") && i + 3 < text.size() && is_hex(text.substr(i + 2, 2));
    if (!escaped) {
      name += text[i];
      continue;
    }
    name += static_cast<char>(digits.find(text[i + 2]) << 4 | digits.find(text[i + 3]));
    i += 3;
  }
  return name;
}

/// A container whose id is 64 digits. `outer` is the name of the group around it.
std::optional<Container> numbered_container(std::string_view name, std::string_view outer) {
  // Under a cgroupfs driver runtimes may write "SLICE:cri-containerd:ID" all the same.
  std::string stem(without_suffix(name, ".scope"));
  if (const std::size_t colon = stem.find(':'); colon != std::string::npos) {
    stem.erase(0, colon + 1);
    std::replace(stem.begin(), stem.end(), ':', '-');
  }
  if (stem.size() < id_digits || !is_hex(stem.substr(stem.size() - id_digits)))
    return std::nullopt;
  Container container;
  container.id = stem.substr(stem.size() - id_digits);
  std::string_view before = std::string_view(stem).substr(0, stem.size() - id_digits);
  if (before.empty()) {
    container.runtime = outer == "docker" ? "docker" : "";
    return container;
  }
  // conmon watches over the container from outside; a pod of podman's holds containers.
  if (before.back() != '-' || before.find("conmon") != std::string_view::npos)
    return std::nullopt;
  before.remove_suffix(1);
  const auto* known = std::find_if(prefixes.begin(), prefixes.end(),
                                   [&](const Prefix& prefix) { return prefix.text == before; });
  if (known != prefixes.end())
    container.runtime = known->runtime;
  return container;
}

/// A container that has a name: of lxc, systemd-nspawn. `inner` is the name of the group in it.
std::optional<Container> named_container(std::string_view name, std::string_view outer,
                                         std::string_view inner) {
  constexpr std::string_view payload = "lxc.payload.";
  if (name.starts_with(payload) && name.size() > payload.size())
    return Container{std::string(name.substr(payload.size())), "lxc", "", ""};
  if (outer == "lxc" || outer == "lxc.payload")
    return Container{std::string(name), "lxc", "", ""};
  if (inner == "supervisor") // what started it, outside
    return std::nullopt;
  constexpr std::string_view service = "systemd-nspawn@";
  if (name.starts_with(service) && name.ends_with(".service"))
    return Container{unescape_unit(without_suffix(name.substr(service.size()), ".service")),
                     "systemd-nspawn", "", ""};
  constexpr std::string_view machine = "machine-";
  if (!name.starts_with(machine) || !name.ends_with(".scope"))
    return std::nullopt;
  const std::string unit = unescape_unit(without_suffix(name.substr(machine.size()), ".scope"));
  if (unit.starts_with("qemu-") || unit.starts_with("lxc-")) // libvirt's
    return std::nullopt;
  return Container{unit, "systemd-nspawn", "", ""};
}

/// "pod<uid>" or "kubepods-burstable-pod<uid with underscores>.slice"; empty: no pod's group.
std::string pod_uid_of(std::string_view name) {
  name = name.substr(0, name.find(':'));
  name = without_suffix(name, ".slice");
  const std::size_t dash = name.rfind("-pod");
  if (dash != std::string_view::npos)
    name.remove_prefix(dash + 1);
  constexpr std::string_view pod = "pod";
  if (!name.starts_with(pod))
    return "";
  std::string uid(name.substr(pod.size()));
  std::replace(uid.begin(), uid.end(), '_', '-');
  std::string digits = uid;
  std::erase(digits, '-');
  constexpr std::size_t uid_digits = 32; // those of a static pod stand without dashes
  return digits.size() == uid_digits && is_hex(digits) ? uid : "";
}

/// A name that DNS allows, and nothing else that somebody wrote into the file.
std::string host_name(std::string_view text) {
  const std::string_view name = text.substr(0, text.find('\n'));
  constexpr std::size_t longest = 253;
  const bool valid =
      !name.empty() && name.size() <= longest && std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.';
      });
  return valid ? std::string(name) : "";
}

/// The beginning of a file in the root of a process that is not trusted: it must not lead out of
/// that root, nor keep whoever opens it waiting.
std::string read_in_root(const std::string& root, const char* file) {
  const UniqueFd directory(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const UniqueFd opened(
      directory ? static_cast<int>(syscall(SYS_openat2, directory.get(), file, &how, sizeof(how)))
                : -1);
  struct stat status {};
  if (!opened || fstat(opened.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return "";
  std::array<char, 512> buffer{};
  const ssize_t length = read(opened.get(), buffer.data(), buffer.size());
  return length > 0 ? std::string(buffer.data(), static_cast<std::size_t>(length)) : "";
}

std::string host_name_in_environment(const ProcFs& proc, pid_t pid) {
  const auto environment = proc.read(pid, "environ");
  if (!environment)
    return "";
  constexpr std::string_view name = "HOSTNAME=";
  for (std::string_view rest = *environment; !rest.empty();) {
    const std::string_view variable = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(variable.size() + 1, rest.size()));
    if (variable.starts_with(name))
      return host_name(variable.substr(name.size()));
  }
  return "";
}

/// Kubernetes gives a pod its name as host name, unless it runs with that of the machine.
std::string pod_name(const ProcFs& proc, pid_t pid, const std::string& pod_uid) {
  constexpr pid_t init = 1;
  const std::string names = proc.link(pid, "ns/uts");
  if (!names.empty() && names == proc.link(init, "ns/uts")) {
    // Init may be of the same pod, where leakbpf runs in it.
    const auto around = find_containers(proc, init);
    if (around.empty() || around.front().pod_uid != pod_uid)
      return "";
  }
  if (std::string name = host_name(read_in_root(proc.path(pid, "root"), "etc/hostname"));
      !name.empty())
    return name;
  return host_name_in_environment(proc, pid);
}

} // namespace

std::vector<Container> containers_of_cgroup(std::string_view path) {
  const std::vector<std::string_view> parts = split_path(path);
  std::vector<Container> containers;
  std::string pod_uid;
  for (std::size_t i = 0; i < parts.size();
       i++) { // from the outside: a pod is around its container
    const std::string_view outer = i > 0 ? parts[i - 1] : "";
    const std::string_view inner = i + 1 < parts.size() ? parts[i + 1] : "";
    if (std::string uid = pod_uid_of(parts[i]); !uid.empty())
      pod_uid = std::move(uid);
    auto container = numbered_container(parts[i], outer);
    if (!container)
      container = named_container(parts[i], outer, inner);
    if (!container)
      continue;
    container->pod_uid = std::exchange(pod_uid, "");
    containers.push_back(std::move(*container));
  }
  std::reverse(containers.begin(), containers.end());
  return containers;
}

std::vector<Container> find_containers(const ProcFs& proc, pid_t pid) {
  for (const CgroupLine& line : proc.cgroups(pid))
    if (auto containers = containers_of_cgroup(line.path); !containers.empty())
      return containers;
  return {};
}

std::optional<Container> inspect_container(const ProcFs& proc, pid_t pid) {
  const std::vector<Container> containers = find_containers(proc, pid);
  if (containers.empty())
    return std::nullopt;
  Container innermost = containers.front();
  if (!innermost.pod_uid.empty())
    innermost.pod_name = pod_name(proc, pid, innermost.pod_uid);
  return innermost;
}

} // namespace leakbpf
