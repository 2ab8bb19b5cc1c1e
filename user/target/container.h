// SPDX-License-Identifier: Apache-2.0
// Finds out which container a process is in: from its cgroup's path, which container runtimes name
// after the container and the Kubernetes pod.
#pragma once

#include "core/container.h"
#include "target/proc_fs.h"

#include <optional>
#include <string_view>
#include <vector>

namespace leakbpf {

/// The containers that a cgroup belongs to, the innermost first. Their pods' names are not known.
[[nodiscard]] std::vector<Container> containers_of_cgroup(std::string_view path);

/// Those of a process: of the first of its hierarchies that tells. A runtime's own processes beside
/// the container (conmon, lxc's monitor) are in none.
[[nodiscard]] std::vector<Container> find_containers(const ProcFs& proc, pid_t pid);

/// The innermost container of a process, with the name of its pod where the pod's host name tells.
[[nodiscard]] std::optional<Container> inspect_container(const ProcFs& proc, pid_t pid);

} // namespace leakbpf
