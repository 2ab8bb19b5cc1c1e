// SPDX-License-Identifier: Apache-2.0
#include "target/page_presence.h"

#include "base/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace leakbpf {

namespace {

std::optional<std::vector<bool>> ask_pages(const std::string& pagemap,
                                           std::span<const std::uint64_t> addresses,
                                           bool (*is_so)(std::uint64_t entry)) {
  constexpr std::uint64_t page_bytes = 4096;
  const UniqueFd file(open(pagemap.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file)
    return std::nullopt;
  std::vector<bool> answers;
  answers.reserve(addresses.size());
  for (const std::uint64_t address : addresses) {
    std::uint64_t entry = 0;
    const auto at = static_cast<off_t>(address / page_bytes * sizeof(entry));
    if (pread(file.get(), &entry, sizeof(entry), at) != ssize_t{sizeof(entry)})
      return std::nullopt;
    answers.push_back(is_so(entry));
  }
  return answers;
}

} // namespace

std::optional<std::vector<bool>> own_pages(const std::string& pagemap,
                                           std::span<const std::uint64_t> addresses) {
  return ask_pages(pagemap, addresses, &is_own_page);
}

std::optional<std::vector<bool>> absent_pages(const std::string& pagemap,
                                              std::span<const std::uint64_t> addresses) {
  return ask_pages(pagemap, addresses, &is_absent_page);
}

} // namespace leakbpf
