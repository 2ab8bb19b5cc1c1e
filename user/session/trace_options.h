// SPDX-License-Identifier: Apache-2.0
// What is to be traced, and how.
#pragma once

#include "core/grouping.h"
#include "core/pattern.h"
#include "core/suppressions.h"
#include "kernel/features.h"
#include "kernel/kernel_side.h"
#include "session/heap_windows.h"
#include "session/seccomp_guard.h"
#include "target/selection.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

struct TraceOptions {
  std::vector<pid_t> pids;               ///< asked for one by one: each must be there
  TargetSelection selection;             ///< these, and what else is wanted, now and later
  KernelConfig kernel;                   ///< backend and max_live are filled in by the tracer
  std::optional<std::uint32_t> max_live; ///< else by the size of the targets
  std::optional<Backend> backend;        ///< else the best that works
  AllocatorHints hints;
  bool python = true;          ///< show Python frames
  bool held = true;            ///< find containers of Python's that grow
  bool show_keys = false;      ///< of containers: they are data of whoever uses the target
  bool reach = false;          ///< look who has pointers to blocks,
  bool reach_if_cheap = false; ///< or only in processes that are small
  CostLimits limits;
  double min_age_seconds = 0;
  GroupBy group_by = GroupBy::stack; ///< what the rows of `report` are
  Suppressions suppressions;         ///< stacks that are counted, and not shown
  std::optional<Pattern> filter;     ///< rows whose stack matches; none: all
  SeccompGuard::Check check_seccomp = leakbpf::check_seccomp;
  /// Called when the way to attach is known, before there are threads.
  std::function<void(Backend)> backend_chosen = [](Backend /*backend*/) {};
  /// Called once when everything is attached, before that is told.
  std::function<void()> attached = [] {};
  /// Called with things worth telling while tracing goes on (a child that cannot be followed).
  std::function<void(const std::string&)> warn = [](const std::string&) {};
  std::function<void(const std::string&)> inform = [](const std::string&) {};
};

} // namespace leakbpf
