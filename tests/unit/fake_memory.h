// SPDX-License-Identifier: Apache-2.0
// Memory of a process that is not there.
#pragma once

#include "base/process_memory.h"

#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace leakbpf {

class FakeMemory : public ProcessMemory {
public:
  void put(std::uint64_t address, const void* bytes, std::size_t size) {
    const auto* const begin = static_cast<const std::uint8_t*>(bytes);
    for (std::size_t i = 0; i < size; i++)
      bytes_[address + i] = begin[i];
  }
  template <class T> void put(std::uint64_t address, const T& value) {
    put(address, &value, sizeof(value));
  }
  void fill(std::uint64_t address, std::size_t size) {
    for (std::size_t i = 0; i < size; i++)
      bytes_[address + i] = 0;
  }
  void drop(std::uint64_t address, std::size_t size) {
    for (std::size_t i = 0; i < size; i++)
      bytes_.erase(address + i);
  }
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override {
    auto* const out = static_cast<std::uint8_t*>(to);
    auto at = bytes_.find(address);
    for (std::size_t i = 0; i < size; i++, ++at) {
      if (at == bytes_.end() || at->first != address + i)
        return false;
      out[i] = at->second;
    }
    return true;
  }

private:
  std::map<std::uint64_t, std::uint8_t> bytes_;
};

} // namespace leakbpf
