// SPDX-License-Identifier: Apache-2.0
#include "base/own_rights.h"

#include <initializer_list>
#include <vector>

#include <cap-ng.h>
#include <sys/prctl.h>

namespace leakbpf {

namespace {

std::vector<unsigned> capabilities_of(const WantedRights& wanted) {
  std::vector<unsigned> capabilities;
  const auto add = [&](bool needed, std::initializer_list<unsigned> those) {
    if (needed)
      capabilities.insert(capabilities.end(), those);
  };
  add(wanted.tracing, {CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH,
                       CAP_CHECKPOINT_RESTORE /* for /proc/PID/map_files */});
  add(wanted.administration, {CAP_SYS_ADMIN});
  add(wanted.output_file, {CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER, CAP_FSETID});
  add(wanted.limits, {CAP_SYS_RESOURCE, CAP_SETPCAP /* to give up more later */});
  add(wanted.signals, {CAP_KILL});
  return capabilities;
}

Error rights_kept() {
  return {ExitCode::cannot_trace, "cannot give up the rights that are not needed",
          "does a filter of system calls forbid capset or prctl?"};
}

} // namespace

Result<void> keep_only(const WantedRights& wanted) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || capng_get_caps_process() != 0)
    return rights_kept();
  const bool may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
  std::vector<unsigned> kept;
  for (const unsigned capability : capabilities_of(wanted))
    if (capng_have_capability(CAPNG_PERMITTED, capability) != 0)
      kept.push_back(capability);
  capng_clear(CAPNG_SELECT_ALL);
  for (const unsigned capability : kept)
    capng_update(CAPNG_ADD,
                 static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET),
                 capability);
  if (may_bound && capng_apply(CAPNG_SELECT_BOUNDS) != 0) // while there still is CAP_SETPCAP
    return rights_kept();
  if (capng_apply(CAPNG_SELECT_CAPS) != 0)
    return rights_kept();
  return {};
}

} // namespace leakbpf
