// SPDX-License-Identifier: Apache-2.0
#include "unwind/late_stack.h"

#include "base/process_memory.h"
#include "target/page_presence.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <utility>

namespace leakbpf {

namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::size_t most_pages = 64;
constexpr std::size_t most_known = 32;
// Of the copy, as much as is compared.
constexpr std::size_t compared_bytes = 1024;

std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

/// Whole pages from `start` on, as far as they can be read.
std::vector<std::uint64_t> read_pages(const ProcessMemory& memory, std::uint64_t start) {
  std::array<ProcessMemory::Piece, most_pages> pages{};
  for (std::size_t i = 0; i < pages.size(); i++)
    pages.at(i) = {start + i * page_bytes, page_bytes};
  std::vector<std::uint64_t> words;
  words.resize(memory.read_pieces(pages, words) * page_bytes / sizeof(std::uint64_t));
  return words;
}

/// Is the end of the copy still what is there? Where nothing was copied, it is the frame's return
/// address, before it.
bool is_unchanged(const ProcessMemory& memory, const leakbpf_unwind_request& request,
                  const std::vector<std::uint8_t>& copy) {
  if (copy.empty())
    return memory.get<std::uint64_t>(request.frame.sp - sizeof(std::uint64_t)) == request.frame.pc;
  const std::size_t size = std::min(copy.size(), compared_bytes);
  std::array<std::uint8_t, compared_bytes> now{};
  return memory.read(request.frame.sp + copy.size() - size, now.data(), size) &&
         std::memcmp(now.data(), copy.data() + copy.size() - size, size) == 0;
}

void append(std::vector<std::uint8_t>& memory, std::span<const std::uint64_t> words,
            std::size_t skipped_bytes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(words.data());
  memory.insert(memory.end(), bytes + skipped_bytes, bytes + words.size_bytes());
}

} // namespace

const LateStacks::Known* LateStacks::find(const leakbpf_unwind_request& request,
                                          std::uint64_t page) const {
  const auto known = std::find_if(known_.begin(), known_.end(), [&](const Known& each) {
    return each.pid == static_cast<pid_t>(request.tgid) && each.start == page &&
           request.time_ns <= each.until_ns;
  });
  return known == known_.end() ? nullptr : &*known;
}

bool LateStacks::is_untouched(pid_t pid, std::uint64_t page) const {
  const auto absent = absent_pages(proc_.path(pid, "pagemap"), std::span(&page, 1));
  return absent && absent->front();
}

LateRead LateStacks::extend(const leakbpf_unwind_request& request,
                            std::vector<std::uint8_t>& memory) {
  const std::uint64_t end = request.frame.sp + memory.size();
  const std::uint64_t page = end & ~(page_bytes - 1);
  if (const Known* known = find(request, page)) {
    append(memory, known->words, end - page);
    return LateRead::found;
  }
  const auto pid = static_cast<pid_t>(request.tgid);
  const LiveMemory live(pid);
  const std::uint64_t now = monotonic_ns();
  const bool untouched = is_untouched(pid, page);
  std::vector<std::uint64_t> words = read_pages(live, page);
  if (words.empty())
    return LateRead::nothing;
  if (!untouched && !is_unchanged(live, request, memory))
    return LateRead::changed;
  append(memory, words, end - page);
  if (untouched) {
    known_.push_front({pid, page, now, std::move(words)});
    if (known_.size() > most_known)
      known_.pop_back();
  }
  return LateRead::found;
}

} // namespace leakbpf
