// SPDX-License-Identifier: Apache-2.0
#include "python/process_memory.h"

#include <algorithm>
#include <array>
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
  const iovec local{to, size};
  const iovec remote = place_of(address, size);
  return process_vm_readv(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

std::size_t LiveMemory::read_pieces(std::span<const Piece> pieces,
                                    std::vector<std::uint64_t>& words) const {
  constexpr std::size_t most_at_once = 1024; // IOV_MAX
  resize_for(pieces, words);
  std::array<iovec, most_at_once> remote{};
  std::size_t at = 0;
  for (std::size_t done = 0; done < pieces.size();) {
    const std::size_t count = std::min(most_at_once, pieces.size() - done);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; i++) {
      remote.at(i) = place_of(pieces[done + i].address, pieces[done + i].bytes);
      bytes += pieces[done + i].bytes;
    }
    const iovec local{&words[at], bytes};
    const ssize_t got = process_vm_readv(pid_, &local, 1, remote.data(), count, 0);
    std::size_t left = got > 0 ? static_cast<std::size_t>(got) : 0;
    for (std::size_t i = 0; i < count; i++) {
      if (left < pieces[done].bytes)
        return done;
      left -= pieces[done].bytes;
      at += pieces[done].bytes / word;
      done++;
    }
  }
  return pieces.size();
}

} // namespace leakbpf
