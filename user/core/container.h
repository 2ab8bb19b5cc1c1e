// SPDX-License-Identifier: Apache-2.0
// The container that a process is in.
#pragma once

#include <string>

namespace leakbpf {

struct Container {
  std::string id;       ///< 64 hexadecimal digits; of lxc and systemd-nspawn a name
  std::string runtime;  ///< docker, containerd, crio, podman, lxc, systemd-nspawn; empty: unknown
  std::string pod_uid;  ///< of Kubernetes, with dashes; empty: in no pod
  std::string pod_name; ///< empty: unknown

  friend bool operator==(const Container&, const Container&) = default;
};

} // namespace leakbpf
