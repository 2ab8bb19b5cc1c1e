// SPDX-License-Identifier: Apache-2.0
#include "python/retained.h"

#include "python/pools.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

namespace leakbpf {

namespace {

constexpr std::size_t size_class_offset = 36;
constexpr std::size_t word = sizeof(std::uint64_t);

constexpr std::size_t chunk_bytes = 64 << 10;
/// A block that has fewer pointers into pools than one in so many words is data.
constexpr std::size_t data_ratio = 256;
/// Where that is looked at.
constexpr std::uint64_t probes = 16;
constexpr std::uint64_t probe_bytes = 256;

struct Pool {
  std::uint64_t address = 0;
  std::uint32_t site = 0;
  std::uint32_t block_bytes = 0; ///< 0: the header makes no sense
  std::vector<bool> claimed;     ///< by block
};

struct Object {
  std::uint64_t address = 0; ///< of its block
  std::uint32_t bytes = 0;
  std::uint32_t site = 0; ///< of the holder
};

class Search {
public:
  Search(const ProcessMemory& memory, std::span<const HeldPool> pools, std::uint32_t pool_bytes,
         std::size_t site_count, const RetainedLimits& limits)
      : memory_(memory), pool_bytes_(pool_bytes), limits_(limits) {
    found_.holds.resize(site_count);
    found_.loses.resize(site_count);
    pools_.reserve(pools.size());
    for (const HeldPool& pool : pools)
      add_pool(pool);
  }

  void follow(const HoldingBlock& block) {
    if (read_ >= limits_.most_bytes || !holds_pointers(block))
      return;
    for (std::uint64_t at = 0; at < block.bytes && read_ < limits_.most_bytes; at += chunk_bytes)
      scan(block.address + at, std::min<std::uint64_t>(chunk_bytes, block.bytes - at), block.site);
    for (unsigned depth = 1; depth < limits_.most_depth && !frontier_.empty(); depth++)
      next_level();
    frontier_.clear();
  }

  RetainedBySite take() { return std::move(found_); }

private:
  void add_pool(const HeldPool& held) {
    std::array<std::uint8_t, pool_header_bytes> header{};
    Pool pool{held.address, held.site, 0, {}};
    std::uint32_t size_class = 0;
    if (memory_.read(held.address, header.data(), header.size()))
      std::memcpy(&size_class, &header[size_class_offset], sizeof(size_class));
    else
      return;
    if (size_class >= pool_size_classes)
      return;
    pool.block_bytes = (size_class + 1) * pool_alignment;
    pool.claimed.resize((pool_bytes_ - pool_header_bytes) / pool.block_bytes);
    index_.emplace(held.address, pools_.size());
    pools_.push_back(std::move(pool));
  }

  /// The pool and the number of the block that `pointer` points into; false when there is none.
  [[nodiscard]] bool block_of(std::uint64_t value, std::size_t& pool, std::size_t& block) const {
    // Some pointers carry a mark in their lowest bits; 3.12 marks by one less than the pointer.
    const std::uint64_t pointer = (value + 1) & ~std::uint64_t{word - 1};
    const auto found = index_.find(pointer & ~std::uint64_t{pool_bytes_ - 1});
    if (found == index_.end())
      return false;
    const std::uint64_t offset = pointer - pools_[found->second].address;
    if (offset < pool_header_bytes)
      return false;
    pool = found->second;
    block = (offset - pool_header_bytes) / pools_[pool].block_bytes;
    return block < pools_[pool].claimed.size();
  }

  /// Looked at in a few places: what a table held before it was traced tells nothing.
  [[nodiscard]] bool holds_pointers(const HoldingBlock& block) {
    const std::uint64_t step =
        std::max<std::uint64_t>(block.bytes / probes & ~(word - 1), probe_bytes);
    std::vector<ProcessMemory::Piece> pieces;
    for (std::uint64_t at = 0; at + word <= block.bytes; at += step)
      pieces.push_back({block.address + at,
                        std::min<std::uint64_t>(probe_bytes, block.bytes - at) & ~(word - 1)});
    if (memory_.read_pieces(pieces, buffer_) < pieces.size())
      return false;
    read_ += buffer_.size() * word;
    std::size_t pool = 0;
    std::size_t number = 0;
    const auto pointers = std::count_if(buffer_.begin(), buffer_.end(), [&](std::uint64_t value) {
      return block_of(value, pool, number);
    });
    return static_cast<std::size_t>(pointers) * data_ratio >= buffer_.size();
  }

  void scan(std::uint64_t address, std::uint64_t bytes, std::uint32_t site) {
    buffer_.resize(bytes / word);
    read_ += bytes;
    if (buffer_.empty() || !memory_.read(address, buffer_.data(), buffer_.size() * word))
      return;
    for (const std::uint64_t value : buffer_)
      claim(value, site);
  }

  void claim(std::uint64_t pointer, std::uint32_t site) {
    std::size_t at = 0;
    std::size_t block = 0;
    if (!block_of(pointer, at, block) || pools_[at].claimed[block])
      return;
    Pool& pool = pools_[at];
    pool.claimed[block] = true;
    frontier_.push_back(
        {pool.address + pool_header_bytes + block * pool.block_bytes, pool.block_bytes, site});
    for (Retained* const retained : {&found_.holds[site], &found_.loses[pool.site]}) {
      retained->bytes += pool.block_bytes;
      retained->objects++;
    }
  }

  /// What the objects found last point to.
  void next_level() {
    const std::vector<Object> level = std::move(frontier_);
    frontier_.clear();
    std::vector<ProcessMemory::Piece> pieces;
    std::vector<std::uint64_t> words;
    for (std::size_t begin = 0; begin < level.size(); begin += pieces_at_once) {
      const std::size_t end = std::min(level.size(), begin + pieces_at_once);
      pieces.clear();
      for (std::size_t i = begin; i < end; i++)
        pieces.push_back({level[i].address, level[i].bytes});
      // It stops at an object that is gone; the others come behind it.
      for (std::size_t done = 0; done < pieces.size(); done++) {
        const std::size_t got = memory_.read_pieces(std::span(pieces).subspan(done), words);
        std::size_t at = 0;
        for (std::size_t i = done; i < done + got; i++)
          for (std::size_t left = pieces[i].bytes / word; left > 0; left--)
            claim(words[at++], level[begin + i].site);
        done += got;
      }
    }
  }

  static constexpr std::size_t pieces_at_once = 512;

  const ProcessMemory& memory_;
  std::uint32_t pool_bytes_;
  RetainedLimits limits_;
  std::vector<Pool> pools_;
  std::unordered_map<std::uint64_t, std::size_t> index_; ///< address -> pool
  std::vector<std::uint64_t> buffer_;
  std::vector<Object> frontier_;
  std::uint64_t read_ = 0;
  RetainedBySite found_;
};

} // namespace

RetainedBySite find_retained(const ProcessMemory& memory, std::span<const HoldingBlock> holders,
                             std::span<const HeldPool> pools, std::uint32_t pool_bytes,
                             std::size_t site_count, const RetainedLimits& limits) {
  Search search(memory, pools, pool_bytes, site_count, limits);
  for (const HoldingBlock& block : holders)
    search.follow(block);
  return search.take();
}

} // namespace leakbpf
