// SPDX-License-Identifier: Apache-2.0
#include "reach/chunk_walk.h"

#include "target/glibc_chunk.h"

#include <algorithm>
#include <cstring>

namespace leakbpf {

using namespace glibc_chunk; // NOLINT: its few names are what this file is about

namespace {

constexpr std::uint64_t header_bytes = 16; ///< of which the first half belongs to the block before

bool is_chunk_size(std::uint64_t word, std::uint64_t left) {
  const std::uint64_t size = word & ~flags;
  return size >= smallest && size % alignment == 0 && size <= left;
}

std::optional<FirstChunk> in_main_arena(const ProcessMemory& memory, const Mapping& mapping) {
  const auto size = memory.get<std::uint64_t>(mapping.start + 8);
  if (!size || !is_chunk_size(*size, mapping.end - mapping.start))
    return std::nullopt;
  return FirstChunk{ChunkPlace::main_arena, mapping.start, mapping.end};
}

/// A heap begins with its heap_info, of two sizes in time, behind which its arena follows if the
/// heap is the first of that. The arena's size changed with versions.
std::optional<FirstChunk> in_thread_arena(const ProcessMemory& memory, const Mapping& mapping) {
  constexpr std::uint64_t size_offset = 0x10;                  // heap_info::size
  const auto arena = memory.get<std::uint64_t>(mapping.start); // heap_info::ar_ptr
  const auto size = memory.get<std::uint64_t>(mapping.start + size_offset);
  const std::uint64_t info_bytes = arena.value_or(0) % thread_heap_bytes;
  if (!size || *size % page_bytes != 0 || *size > thread_heap_bytes ||
      (info_bytes != 0x20 && info_bytes != 0x30))
    return std::nullopt;
  const std::uint64_t end = mapping.start + *size;
  const auto chunk_at = [&](std::uint64_t offset) -> std::optional<FirstChunk> {
    const std::uint64_t header = mapping.start + offset;
    const auto word = memory.get<std::uint64_t>(header + 8);
    if (header >= end || !word || (*word & mapped) != 0 || !is_chunk_size(*word, end - header))
      return std::nullopt;
    return FirstChunk{ChunkPlace::thread_arena, header, end};
  };
  if (*arena - info_bytes != mapping.start)
    return chunk_at(info_bytes);
  for (const std::uint64_t offset : {0x8d0ULL, 0x8c0ULL, 0x8b0ULL})
    if (const auto first = chunk_at(offset))
      return first;
  return std::nullopt;
}

std::optional<FirstChunk> mapped_by_itself(const ProcessMemory& memory, const Mapping& mapping) {
  const auto size = memory.get<std::uint64_t>(mapping.start + 8);
  if (memory.get<std::uint64_t>(mapping.start) != 0 || !size || (*size & flags) != mapped ||
      (*size & ~flags) % page_bytes != 0 || !is_chunk_size(*size, mapping.end - mapping.start))
    return std::nullopt;
  return FirstChunk{ChunkPlace::mapped, mapping.start, mapping.end};
}

} // namespace

bool is_unnamed(const Mapping& mapping) {
  return mapping.path.empty() || mapping.path.rfind("[anon: glibc: malloc", 0) == 0;
}

std::optional<FirstChunk> find_first_chunk(const ProcessMemory& memory, const Mapping& mapping) {
  if (mapping.path == "[heap]")
    return in_main_arena(memory, mapping);
  if (mapping.inode != 0 || !is_unnamed(mapping))
    return std::nullopt;
  if (mapping.start % thread_heap_bytes == 0)
    if (const auto first = in_thread_arena(memory, mapping))
      return first;
  return mapped_by_itself(memory, mapping);
}

ChunkWalk::ChunkWalk(const ProcessMemory& memory, const PresentPages& pages,
                     const FirstChunk& first)
    : memory_(memory), pages_(pages), place_(first.place), header_(first.header),
      next_(first.header), end_(first.end), first_(first.header) {
  look();
}

/// From the address's page on, as far as pages are there.
void ChunkWalk::read_piece(std::uint64_t address) {
  piece_start_ = address / page_bytes * page_bytes;
  piece_.clear();
  if (address >= end_)
    return;
  const std::uint64_t bytes = std::min<std::uint64_t>(fast_read_bytes, end_ - piece_start_);
  const std::vector<PageState> pages =
      pages_.states(piece_start_, (bytes + page_bytes - 1) / page_bytes);
  const auto gone = std::find_if(pages.begin(), pages.end(),
                                 [](PageState page) { return page != PageState::present; });
  piece_.resize(std::min(bytes, static_cast<std::uint64_t>(gone - pages.begin()) * page_bytes));
  if (piece_.empty() || memory_.read(piece_start_, piece_.data(), piece_.size()))
    return;
  // A page was given back meanwhile: the first may be there.
  piece_.resize(std::min<std::size_t>(piece_.size(), page_bytes));
  if (!memory_.read(piece_start_, piece_.data(), piece_.size()))
    piece_.clear();
}

/// Up to so many: fewer at the end of what is there.
std::span<const std::uint8_t> ChunkWalk::bytes_at(std::uint64_t address, std::size_t wanted) {
  if (address < piece_start_ || address + wanted > piece_start_ + piece_.size())
    read_piece(address);
  const std::span<const std::uint8_t> piece(piece_);
  const std::size_t offset = std::min<std::size_t>(address - piece_start_, piece.size());
  return piece.subspan(offset, std::min(wanted, piece.size() - offset));
}

/// Of a chunk; 0: nothing that makes sense.
std::uint64_t ChunkWalk::size_word(std::uint64_t header) {
  std::uint64_t word = 0;
  const std::span<const std::uint8_t> bytes = bytes_at(header + 8, sizeof(word));
  if (bytes.size() == sizeof(word))
    std::memcpy(&word, bytes.data(), sizeof(word));
  return word;
}

void ChunkWalk::step() {
  header_ = next_;
  look();
}

void ChunkWalk::look() {
  const std::uint64_t word = header_ + header_bytes <= end_ ? size_word(header_) : 0;
  done_ = !is_chunk_size(word, ~std::uint64_t{0} - header_);
  if (done_)
    return;
  // The heap may have grown since its mapping was read.
  next_ = std::min(header_ + (word & ~flags), end_);
  if (place_ == ChunkPlace::mapped) {
    done_ = (word & flags) != mapped;
    in_use_ = true;
    return;
  }
  // The last one is what was not handed out yet.
  in_use_ = next_ + header_bytes <= end_ && (size_word(next_) & previous_in_use) != 0;
}

/// A thread's cache of free blocks, the first that is taken in an arena (tcache_perthread_struct).
bool ChunkWalk::is_cache() const {
  constexpr std::uint64_t least = 0x240;
  constexpr std::uint64_t most = 0x300;
  const std::uint64_t size = next_ - header_;
  return header_ == first_ && place_ != ChunkPlace::mapped && size >= least && size <= most;
}

std::optional<HeapBlock> ChunkWalk::block() const {
  if (is_cache())
    return std::nullopt;
  // A block reaches into the next header, whose first word it may use.
  const std::uint64_t end = place_ == ChunkPlace::mapped || next_ == end_ ? next_ : next_ + 8;
  return HeapBlock{header_ + header_bytes, end, in_use_};
}

std::span<const std::uint8_t> ChunkWalk::contents(std::size_t most) {
  const auto block = this->block();
  if (!block)
    return {};
  return bytes_at(block->start, std::min<std::size_t>(most, block->end - block->start));
}

std::optional<HeapBlock> part_in_use(const ProcessMemory& memory, const HeapBlock& block,
                                     std::uint64_t address, std::size_t& headers) {
  std::uint64_t header = block.start - header_bytes;
  for (; headers > 0; headers--) {
    const auto word = memory.get<std::uint64_t>(header + 8);
    if (!word || !is_chunk_size(*word, ~std::uint64_t{0} - header))
      return std::nullopt;
    const std::uint64_t next = header + (*word & ~flags);
    if (address < next) {
      const auto behind = memory.get<std::uint64_t>(next + 8);
      if (!behind || (*behind & previous_in_use) == 0)
        return std::nullopt;
      return HeapBlock{header + header_bytes, std::min(next + 8, block.end), true};
    }
    if (next >= block.end)
      return std::nullopt;
    header = next;
  }
  return std::nullopt;
}

} // namespace leakbpf
