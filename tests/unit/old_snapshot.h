// SPDX-License-Identifier: Apache-2.0
// A snapshot as version 0.1.0 wrote it, but for some frames and losses.
#pragma once

namespace leakbpf {

constexpr const char* old_snapshot = R"json({
 "schema": "leakbpf.snapshot/1",
 "tool": {"version": "0.1.0", "backend": "multi"},
 "host": {"hostname": "host", "kernel": "6.1.0", "arch": "x86_64", "cpus": 4},
 "started_at": "2026-01-31T09:30:00Z",
 "duration_s": 62.0,
 "sampling": {"mean_bytes": 1, "exact": true, "requested_mean_bytes": 16384,
  "note": "every allocation is followed; sampling does not take effect yet"},
 "overhead": {"probe_hits": 1234567, "percent_of_one_core": 0.84, "duty_cycle": 1.0},
 "losses": {"live_table_full": 0, "stack_table_full": 5, "python_code_gone": 0},
 "targets": [{
   "pid": 4242, "ppid": 1, "comm": "shop", "cmdline": "/srv/app/shop --serve",
   "exe": "/srv/app/shop", "cgroup": "/system.slice/shop.service",
   "started_at": "2026-01-31T08:00:00Z", "ended": null,
   "rss_start_bytes": 104857600, "rss_end_bytes": 125829120,
   "rss_growth_bytes_per_min": 20971520.0,
   "memory_limit_bytes": null, "limit_source": null, "seconds_to_limit": null,
   "outstanding_bytes": 15728640, "outstanding_count": 15360, "explained_percent": 75.0,
   "python": {"version": "3.11", "frames": true, "problem": null, "arenas": 3,
    "arena_bytes": 3145728, "pools": 190, "pool_bytes": 3112960, "live_bytes": 1000,
    "gc": {"collections": 5, "pause_total_s": 1.5, "pause_max_s": 0.75}},
   "verdict": {"severity": null, "reasons": ["this version gives no verdict"]}}],
 "sites": [{
   "rank": 1, "pid": 4242, "target": 0, "kind": "heap",
   "outstanding_bytes": 15728640, "outstanding_count": 15360,
   "allocated_bytes": 20971520, "allocated_count": 20480,
   "freed_bytes": 5242880, "freed_count": 5120,
   "growth_bytes_per_min": 15728640.0, "oldest_age_s": 61.0, "median_age_s": 30.0,
   "survival_percent": 75.0, "severity": null, "score": null, "reasons": [],
   "estimated": false, "standard_error_bytes": 0, "culprit": 1,
   "frames": [
    {"kind": "native", "function": "operator new(unsigned long)",
     "module": "/usr/lib/libstdc++.so.6", "build_id": "abcdef01", "offset": "0x1234",
     "file": null, "line": null, "inlined": false},
    {"kind": "native", "function": "Cart::add(Item const&)", "module": "/srv/app/shop",
     "build_id": "abcdef01", "offset": "0x1234", "file": "/src/shop/cart.cpp", "line": 42,
     "inlined": true, "source": "items_.push_back(item);"},
    {"kind": "native", "function": "main", "module": "/srv/app/shop", "build_id": "abcdef01",
     "offset": "0x1234", "file": "/src/shop/main.cpp", "line": 7, "inlined": false}]}],
 "history": [
  {"t_s": 0.0, "pid": 4242, "rss_bytes": 104857600, "outstanding_bytes": 0},
  {"t_s": 62.0, "pid": 4242, "rss_bytes": null, "outstanding_bytes": 15728640}]
}
)json";

} // namespace leakbpf
