// SPDX-License-Identifier: Apache-2.0
// The address ranges that one process took with mmap, mremap, brk or sbrk and still holds.
#pragma once

#include <leakbpf/abi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// Who took a range.
struct RangeOwner {
  std::uint64_t stack_hash = 0;
  leakbpf_kind kind = LEAKBPF_KIND_MMAP;
  std::uint64_t time_ns = 0;
};

/// Ranges may be given back in part, in pieces, several at once, or be replaced by a later one.
/// A range counts as one outstanding block until its last byte is gone. Addresses and lengths are
/// in bytes.
class RangeMap {
public:
  /// Called when a range was taken (bytes, 1) and when bytes of it were given back (count 1 with
  /// the last of them).
  struct Observer {
    std::function<void(const RangeOwner&, std::uint64_t bytes)> taken;
    std::function<void(const RangeOwner&, std::uint64_t bytes, std::uint64_t count)> given_back;
  };

  explicit RangeMap(Observer observer) : observer_(std::move(observer)) {}

  /// A new range. What it covers of older ones is gone (MAP_FIXED, or an unmap that was missed).
  void add(std::uint64_t address, std::uint64_t length, const RangeOwner& owner);
  /// Thread `tid` is about to give back a range: it stays outstanding until `finish`.
  void begin_take(std::uint32_t tid, std::uint64_t address, std::uint64_t length);
  /// The call of `tid` ended: what it took is gone, or still there.
  void finish_take(std::uint32_t tid, bool succeeded);
  /// [address, address + length) is gone.
  void remove(std::uint64_t address, std::uint64_t length);

  /// Visits each range that is held: owner, the first address that is left, bytes.
  void each(const std::function<void(const RangeOwner&, std::uint64_t address,
                                     std::uint64_t bytes)>& visit) const;

  /// The same for each piece of a range that is left: a range with holes has several.
  void each_piece(const std::function<void(const RangeOwner&, std::uint64_t address,
                                           std::uint64_t bytes)>& visit) const;

private:
  using RangeId = std::uint64_t;
  struct Range {
    RangeOwner owner;
    std::uint64_t remaining = 0;
  };
  struct Piece {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    RangeId range = 0;
  };

  std::vector<Piece> cut(std::uint64_t start, std::uint64_t end);
  static std::vector<Piece> cut_pending(std::vector<Piece>& pieces, std::uint64_t start,
                                        std::uint64_t end);
  void give_back(const std::vector<Piece>& pieces);

  Observer observer_;
  RangeId next_id_ = 0;
  std::unordered_map<RangeId, Range> ranges_;
  std::map<std::uint64_t, Piece> pieces_; ///< by start; never overlapping
  std::unordered_map<std::uint32_t, std::vector<Piece>> being_taken_;
};

} // namespace leakbpf
