// SPDX-License-Identifier: Apache-2.0
#include "held/heap_scan.h"

#include "base/field.h"
#include "python/pools.h"
#include "reach/chunk_walk.h"

#include <algorithm>
#include <array>

namespace leakbpf {

namespace {

constexpr std::uint64_t window_bytes = 1 << 20;
/// Of a pool that changes while it is read. A read takes microseconds.
constexpr int most_reads = 8;
/// Python has hundreds as it starts. Where there are fewer, what looked like some were none.
constexpr std::uint64_t least_pools = 16;
/// Of a block, as far as anything is looked at: headers, and the words that tell of entries.
constexpr std::size_t pool_head_bytes = 128;

/// struct pool_header, the same from 3.8 to 3.14.
struct PoolHeader {
  std::uint32_t used = 0;
  std::uint64_t free_block = 0;
  std::uint32_t size_class = 0;
  std::uint32_t next_offset = 0; ///< of the first block that was never handed out
  std::uint32_t last_offset = 0; ///< the highest that a block may have

  [[nodiscard]] std::uint32_t block_bytes() const { return (size_class + 1) * pool_alignment; }
};

PoolHeader header_of(std::span<const std::uint8_t> bytes) {
  return {field<std::uint32_t>(bytes, 0), field<std::uint64_t>(bytes, 8),
          field<std::uint32_t>(bytes, 36), field<std::uint32_t>(bytes, 40),
          field<std::uint32_t>(bytes, 44)};
}

bool is_pool(const PoolHeader& header, std::uint64_t address, std::uint32_t pool_bytes) {
  if (header.size_class >= pool_size_classes || header.used == 0)
    return false;
  const std::uint32_t block = header.block_bytes();
  const std::uint32_t most_blocks = (pool_bytes - pool_header_bytes) / block;
  if (header.last_offset != pool_bytes - block || header.used > most_blocks ||
      header.next_offset < pool_header_bytes || header.next_offset > pool_bytes ||
      (header.next_offset - pool_header_bytes) % block != 0)
    return false;
  return header.free_block == 0 || (header.free_block >= address + pool_header_bytes &&
                                    header.free_block - address <= header.last_offset);
}

/// Marks the blocks of the free list. False when it leaves the pool or loops: it was changed while
/// it was read.
bool mark_free(const PoolHeader& header, std::uint64_t address, std::span<const std::uint8_t> pool,
               std::vector<bool>& free) {
  const std::uint32_t block = header.block_bytes();
  free.assign((pool.size() - pool_header_bytes) / block, false);
  for (std::uint64_t at = header.free_block; at != 0;) {
    const std::uint64_t offset = at - address;
    if (offset < pool_header_bytes || offset > header.last_offset ||
        (offset - pool_header_bytes) % block != 0)
      return false;
    const std::size_t index = (offset - pool_header_bytes) / block;
    if (free[index])
      return false;
    free[index] = true;
    at = field<std::uint64_t>(pool, offset);
  }
  return true;
}

} // namespace

std::uint32_t pool_block_size(std::span<const std::uint8_t> header, std::uint64_t address,
                              std::uint32_t pool_bytes) {
  const PoolHeader read = header_of(header);
  return is_pool(read, address, pool_bytes) ? read.block_bytes() : 0;
}

/// A part of a range, with what pages of it are there.
struct HeapScan::Window {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::vector<PageState> pages;
  std::vector<std::uint64_t> pools; ///< ascending

  [[nodiscard]] bool is_present(std::uint64_t address) const {
    return pages[(address - start) / page_bytes] == PageState::present;
  }
};

HeapScan::HeapScan(const ProcessMemory& memory, const PresentPages& pages,
                   const ObjectLayout& layout, ObjectTypes& types)
    : memory_(memory), pages_(pages), layout_(layout), types_(types), pools_(layout.pool_bytes),
      buffer_(fast_read_bytes) {}

ScanCounts HeapScan::run(std::span<const HeapRange> ranges, const Visit& visit) {
  counts_ = {};
  pools_.clear();
  for (const Window& window : find_windows(ranges))
    scan_window(window, visit);
  if (counts_.pools < least_pools)
    for (const HeapRange& range : ranges)
      scan_chunks(range, visit);
  return counts_;
}

/// Those with pools in them.
std::vector<HeapScan::Window> HeapScan::find_windows(std::span<const HeapRange> ranges) {
  std::vector<Window> windows;
  for (const HeapRange& range : ranges) {
    for (std::uint64_t at = range.start; at < range.end;) {
      const std::uint64_t end = std::min(range.end, (at / window_bytes + 1) * window_bytes);
      Window window{at, end, pages_.states(at, (end - at) / page_bytes), {}};
      at = end;
      counts_.swapped_pages += static_cast<std::uint64_t>(
          std::count(window.pages.begin(), window.pages.end(), PageState::swapped));
      window.pools = find_pools(window);
      for (const std::uint64_t pool : window.pools)
        pools_.add(pool);
      if (!window.pools.empty())
        windows.push_back(std::move(window));
    }
  }
  return windows;
}

std::vector<std::uint64_t> HeapScan::find_pools(const Window& window) {
  const std::uint64_t pool_bytes = layout_.pool_bytes;
  std::vector<ProcessMemory::Piece> places;
  for (std::uint64_t at = (window.start + pool_bytes - 1) / pool_bytes * pool_bytes;
       at + pool_bytes <= window.end; at += pool_bytes)
    if (window.is_present(at))
      places.push_back({at, pool_header_bytes});
  std::vector<std::uint64_t> pools;
  std::vector<std::uint64_t> words;
  constexpr std::size_t header_words = pool_header_bytes / sizeof(words[0]);
  for (std::span<const ProcessMemory::Piece> left(places); !left.empty();) {
    const std::size_t got = memory_.read_pieces(left, words);
    for (std::size_t i = 0; i < got; i++) {
      const std::span bytes(
          reinterpret_cast<const std::uint8_t*>(&words[i * header_words]), // NOLINT
          pool_header_bytes);
      if (is_pool(header_of(bytes), left[i].address, layout_.pool_bytes))
        pools.push_back(left[i].address);
    }
    if (got < left.size())
      count_unreadable(left[got].address, pool_header_bytes);
    left = left.subspan(std::min(got + 1, left.size()));
  }
  return pools;
}

/// Into the buffer; zeros where no page is.
bool HeapScan::read_present(const Window& window, std::uint64_t start, std::size_t bytes) {
  for (std::uint64_t at = start; at < start + bytes;) {
    const bool present = window.is_present(at);
    std::uint64_t end = at;
    while (end < start + bytes && window.is_present(end) == present)
      end += page_bytes;
    std::uint8_t* const to = &buffer_[at - start];
    if (!present) {
      std::memset(to, 0, end - at);
    } else if (!memory_.read(at, to, end - at)) {
      count_unreadable(at, end - at);
      return false;
    } else {
      counts_.bytes_read += end - at;
    }
    at = end;
  }
  return true;
}

void HeapScan::scan_window(const Window& window, const Visit& visit) {
  const std::vector<std::uint64_t>& pools = window.pools;
  const std::uint32_t pool_bytes = layout_.pool_bytes;
  for (std::size_t i = 0; i < pools.size();) {
    // Pools that lie side by side are read at once.
    std::size_t end = i + 1;
    while (end < pools.size() && pools[end] == pools[end - 1] + pool_bytes &&
           (end - i + 1) * pool_bytes <= fast_read_bytes)
      end++;
    if (read_present(window, pools[i], (end - i) * pool_bytes))
      for (std::size_t each = i; each < end; each++)
        visit_pool(pools[each], std::span(buffer_).subspan((each - i) * pool_bytes, pool_bytes),
                   visit);
    i = end;
  }
}

/// Reads it again while it changes. What is no pool any more has no objects to miss.
HeapScan::PoolState HeapScan::settle_pool(std::uint64_t address,
                                          std::span<const std::uint8_t>& pool,
                                          std::vector<std::uint8_t>& again) {
  for (int reads = 1; is_pool(header_of(pool), address, layout_.pool_bytes); reads++) {
    if (mark_free(header_of(pool), address, pool, free_))
      return PoolState::whole;
    if (reads == most_reads)
      return PoolState::torn;
    again.resize(pool.size());
    if (!memory_.read(address, again.data(), again.size())) {
      count_unreadable(address, again.size());
      return PoolState::gone;
    }
    pool = again;
  }
  return PoolState::gone;
}

void HeapScan::visit_pool(std::uint64_t address, std::span<const std::uint8_t> pool,
                          const Visit& visit) {
  std::vector<std::uint8_t> again;
  const PoolState state = settle_pool(address, pool, again);
  if (state != PoolState::whole) {
    counts_.torn_pools += state == PoolState::torn ? 1 : 0;
    return;
  }
  counts_.pools++;
  const PoolHeader header = header_of(pool);
  const std::uint32_t block = header.block_bytes();
  const std::uint32_t end = std::min(header.next_offset, header.last_offset + block);
  for (std::uint32_t at = pool_header_bytes; at + block <= end; at += block)
    if (!free_[(at - pool_header_bytes) / block]) {
      counts_.blocks++;
      visit_block(address + at, pool.subspan(at, block), block, visit);
    }
}

/// Of glibc's malloc. A block that waits in a thread's cache looks in use: it has no references, or
/// no type.
void HeapScan::scan_chunks(const HeapRange& range, const Visit& visit) {
  Mapping mapping;
  mapping.start = range.start;
  mapping.end = range.end;
  mapping.path = range.by_brk ? "[heap]" : "";
  const auto first = find_first_chunk(memory_, mapping);
  if (!first)
    return;
  for (ChunkWalk chunks(memory_, pages_, *first); !chunks.is_done(); chunks.step()) {
    const auto block = chunks.block();
    if (!block || !block->in_use)
      continue;
    counts_.chunks++;
    const std::span<const std::uint8_t> bytes = chunks.contents(pool_head_bytes);
    counts_.bytes_read += bytes.size();
    visit_block(block->start, bytes, static_cast<std::uint32_t>(block->end - block->start), visit);
  }
}

/// If it is there yet: what was given back meanwhile has no objects to miss.
void HeapScan::count_unreadable(std::uint64_t start, std::uint64_t bytes) {
  const std::vector<PageState> pages = pages_.states(start, (bytes + page_bytes - 1) / page_bytes);
  if (std::find(pages.begin(), pages.end(), PageState::present) != pages.end())
    counts_.unreadable++;
}

std::uint32_t hook_bytes(std::uint64_t word) {
  constexpr std::uint32_t bytes = 16;
  constexpr std::uint64_t forbidden = 0xFDFDFDFDFDFDFD;
  return word >> 8 == forbidden ? bytes : 0;
}

void HeapScan::visit_block(std::uint64_t address, std::span<const std::uint8_t> block,
                           std::uint32_t block_bytes, const Visit& visit) {
  const std::uint32_t first = block.size() < 16 ? 0 : hook_bytes(field<std::uint64_t>(block, 8));
  // Its type stands behind no header, the collector's, or that and the two words of 3.11 and later.
  for (std::uint32_t header = 0; header <= 32 && first + header + 16 <= block.size();
       header += 16) {
    const std::uint32_t at = first + header;
    const auto word = field<std::uint64_t>(block, at + object_at::type);
    if (word == 0 || pools_.contains(word))
      continue;
    const auto type = types_.find(word);
    if (!type || types_[*type].header_bytes(layout_) != header)
      continue;
    if (layout_.reference_count(field<std::uint64_t>(block, at)) == 0)
      return; // kept for the next object of its kind
    counts_.objects++;
    visit({address + at, *type, block_bytes, block.subspan(at)});
    return;
  }
}

} // namespace leakbpf
