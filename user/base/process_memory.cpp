// SPDX-License-Identifier: Apache-2.0
#include "base/process_memory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>

#include <sys/uio.h>

namespace leakbpf {

namespace {

constexpr std::size_t word = sizeof(std::uint64_t);

void resize_for(std::span<const ProcessMemory::Piece> pieces, std::vector<std::uint64_t>& words) {
  words.resize(std::accumulate(
      pieces.begin(), pieces.end(), std::size_t{0},
      [](std::size_t sum, const ProcessMemory::Piece& piece) { return sum + piece.bytes / word; }));
}

iovec place_of(std::uint64_t address, std::size_t bytes) {
  return {reinterpret_cast<void*>(address), bytes}; // NOLINT: an address over there
}

/// How many bytes could be read: none when the first is not there, or the process. A call that
/// fails for another reason says nothing of the memory, and is made again.
std::size_t read_some(pid_t pid, const iovec& local, std::span<const iovec> remote) {
  constexpr int most_tries = 4;
  for (int tries = 0; tries < most_tries; tries++) {
    const ssize_t got = process_vm_readv(pid, &local, 1, remote.data(), remote.size(), 0);
    if (got >= 0)
      return static_cast<std::size_t>(got);
    if (errno == EFAULT || errno == ESRCH)
      return 0;
  }
  return 0;
}

} // namespace

std::size_t ProcessMemory::read_pieces(std::span<const Piece> pieces,
                                       std::vector<std::uint64_t>& words) const {
  resize_for(pieces, words);
  std::size_t at = 0;
  for (std::size_t i = 0; i < pieces.size(); i++) {
    if (!read(pieces[i].address, &words[at], pieces[i].bytes))
      return i;
    at += pieces[i].bytes / word;
  }
  return pieces.size();
}

bool LiveMemory::read(std::uint64_t address, void* to, std::size_t size) const {
  auto* const out = static_cast<std::uint8_t*>(to);
  for (std::size_t done = 0; done < size;) {
    const iovec local{out + done, size - done};
    const iovec remote = place_of(address + done, size - done);
    const std::size_t got = read_some(pid_, local, std::span(&remote, 1));
    if (got == 0)
      return false;
    done += got;
  }
  return true;
}

std::size_t LiveMemory::read_pieces(std::span<const Piece> pieces,
                                    std::vector<std::uint64_t>& words) const {
  constexpr std::size_t most_at_once = 1024; // IOV_MAX
  resize_for(pieces, words);
  std::array<iovec, most_at_once> remote{};
  std::size_t at = 0;
  for (std::size_t done = 0; done < pieces.size();) {
    const std::size_t begin = done;
    const std::size_t count = std::min(most_at_once, pieces.size() - done);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; i++) {
      remote.at(i) = place_of(pieces[done + i].address, pieces[done + i].bytes);
      bytes += pieces[done + i].bytes;
    }
    const iovec local{&words[at], bytes};
    std::size_t left = read_some(pid_, local, std::span(remote).first(count));
    for (; done < begin + count && left >= pieces[done].bytes; done++) {
      left -= pieces[done].bytes;
      at += pieces[done].bytes / word;
    }
    if (done > begin)
      continue; // less than all: what comes next is asked for again
    if (left == 0 || !read(pieces[done].address, &words[at], pieces[done].bytes))
      return done;
    at += pieces[done].bytes / word;
    done++;
  }
  return pieces.size();
}

} // namespace leakbpf
