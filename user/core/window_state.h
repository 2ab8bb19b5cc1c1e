// SPDX-License-Identifier: Apache-2.0
// How sums are to be read that were counted while the heap was probed a part of the time.
#pragma once

#include <cstdint>

namespace leakbpf {

/// Of a target's heap sites, at one moment.
struct WindowState {
  bool unfinished = false;  ///< an open window stands for more than its length: wait for its end
  std::uint32_t number = 0; ///< of the open or the last window
  std::uint32_t scale = 1;  ///< of that window
  std::uint32_t pool_scale = 1; ///< the same of Python's pools
  double mean_bytes = 1;        ///< between samples in it
  bool limited = false;         ///< the heap was not probed all the time
  bool mappings_unseen = false; ///< what maps memory is probed no more
  std::uint64_t ended = 0;      ///< windows that have come to an end
  double uncovered_seconds = 0; ///< since the last one, that no window stands for
};

} // namespace leakbpf
