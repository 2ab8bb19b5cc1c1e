// SPDX-License-Identifier: Apache-2.0
// A set of hashes that is filled, then asked. It takes memory once, not for each: where processes
// share probes leakbpf's own malloc is probed, too, and there may be as many stacks as --max-stacks
// says, at each sample.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace leakbpf {

class HashList {
public:
  void reserve(std::size_t count) { hashes_.reserve(count); }
  void add(std::uint64_t hash) {
    hashes_.push_back(hash);
    sorted_ = false;
  }
  [[nodiscard]] bool contains(std::uint64_t hash) {
    if (!sorted_)
      std::sort(hashes_.begin(), hashes_.end());
    sorted_ = true;
    return std::binary_search(hashes_.begin(), hashes_.end(), hash);
  }

private:
  std::vector<std::uint64_t> hashes_;
  bool sorted_ = true;
};

} // namespace leakbpf
