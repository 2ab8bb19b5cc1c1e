// SPDX-License-Identifier: Apache-2.0
// Which pages of a process are there to be read, so that reading brings none in and adds none to
// its page tables: /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst of Linux).
#pragma once

#include "base/unique_fd.h"

#include <cstdint>
#include <string>
#include <vector>

namespace leakbpf {

enum class PageState : std::uint8_t { absent, present, swapped };

inline constexpr std::uint64_t page_bytes = 4096;

class PresentPages {
public:
  PresentPages() = default;
  PresentPages(const PresentPages&) = delete;
  PresentPages& operator=(const PresentPages&) = delete;
  virtual ~PresentPages() = default;
  /// Of `count` pages from `address` on.
  [[nodiscard]] virtual std::vector<PageState> states(std::uint64_t address,
                                                      std::size_t count) const = 0;
};

/// Of a live process. Where its pagemap cannot be read, all pages count as present.
class LivePages : public PresentPages {
public:
  explicit LivePages(const std::string& pagemap);
  [[nodiscard]] std::vector<PageState> states(std::uint64_t address,
                                              std::size_t count) const override;

private:
  UniqueFd file_;
};

/// Bytes from `address` on whose pages are in RAM or swapped out, counted in whole pages.
[[nodiscard]] std::uint64_t used_bytes(const PresentPages& pages, std::uint64_t address,
                                       std::uint64_t bytes);

} // namespace leakbpf
