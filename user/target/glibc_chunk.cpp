// SPDX-License-Identifier: Apache-2.0
#include "target/glibc_chunk.h"

#include <algorithm>

namespace leakbpf {

using namespace glibc_chunk; // NOLINT: its few names are what this file is about

namespace {

constexpr std::uint64_t header_bytes = 8;
constexpr std::uint64_t page_bytes = 4096;
constexpr std::size_t most_at_once = 1024;

/// A rest that is too small for a chunk of its own, for an aligned block also the smallest one,
/// stays with the block.
bool fits(std::uint64_t chunk, std::uint64_t asked) {
  const std::uint64_t least =
      std::max(smallest, (asked + header_bytes + alignment - 1) & ~(alignment - 1));
  return chunk == least || chunk == least + alignment || chunk == least + 2 * alignment;
}

/// pvalloc() makes whole pages of what it is asked for.
bool may_hold(std::uint64_t chunk, const GlibcBlock& block) {
  return fits(chunk, block.bytes) ||
         (block.address % page_bytes == 0 &&
          fits(chunk, (block.bytes + page_bytes - 1) & ~(page_bytes - 1)));
}

bool is_mapped_chunk(std::uint64_t header, std::uint64_t asked) {
  return (header & mapped) != 0 && (header & ~flags) > asked;
}

/// The words at `addresses`; nothing where none could be read.
std::vector<std::optional<std::uint64_t>> read_words(const ProcessMemory& memory,
                                                     std::span<const std::uint64_t> addresses) {
  std::vector<std::optional<std::uint64_t>> found(addresses.size());
  std::vector<ProcessMemory::Piece> pieces;
  std::vector<std::uint64_t> words;
  for (std::size_t done = 0; done < addresses.size();) {
    pieces.clear();
    for (const std::uint64_t address :
         addresses.subspan(done, std::min(most_at_once, addresses.size() - done)))
      pieces.push_back({address, sizeof(std::uint64_t)});
    const std::size_t got = memory.read_pieces(pieces, words);
    for (std::size_t i = 0; i < got; i++)
      found[done + i] = words[i];
    done += got < pieces.size() ? got + 1 : got; // that one cannot be read
  }
  return found;
}

} // namespace

std::optional<std::vector<bool>> given_back(const ProcessMemory& memory,
                                            std::span<const GlibcBlock> blocks) {
  std::vector<bool> gone(blocks.size(), true);
  std::vector<std::uint64_t> places;
  for (const GlibcBlock& block : blocks)
    places.push_back(block.address - header_bytes);
  const auto headers = read_words(memory, places);
  std::vector<std::uint64_t> next_places;
  std::vector<std::size_t> asked; // blocks to which they belong
  bool any = blocks.empty();
  for (std::size_t i = 0; i < blocks.size(); i++) {
    if (!headers[i])
      continue;
    any = true;
    const std::uint64_t chunk = *headers[i] & ~flags;
    if (is_mapped_chunk(*headers[i], blocks[i].bytes)) {
      gone[i] = false;
    } else if (may_hold(chunk, blocks[i])) {
      next_places.push_back(blocks[i].address - 2 * header_bytes + chunk + header_bytes);
      asked.push_back(i);
    }
  }
  if (!any)
    return std::nullopt;
  const auto next = read_words(memory, next_places);
  for (std::size_t i = 0; i < next.size(); i++)
    gone[asked[i]] = !next[i] || (*next[i] & previous_in_use) == 0;
  return gone;
}

} // namespace leakbpf
