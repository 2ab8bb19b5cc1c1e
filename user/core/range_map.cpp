// SPDX-License-Identifier: Apache-2.0
#include "core/range_map.h"

#include <algorithm>
#include <iterator>

namespace leakbpf {

namespace {

/// A length that a program passed may be anything: it ends at the end of the address space.
std::uint64_t end_of(std::uint64_t address, std::uint64_t length) {
  return length > ~address ? ~std::uint64_t{0} : address + length;
}

} // namespace

void RangeMap::add(std::uint64_t address, std::uint64_t length, const RangeOwner& owner) {
  length = end_of(address, length) - address;
  if (length == 0)
    return;
  remove(address, length);
  const RangeId id = next_id_++;
  ranges_.emplace(id, Range{owner, length});
  pieces_.emplace(address, Piece{address, address + length, id});
  observer_.taken(owner, length);
}

void RangeMap::begin_take(std::uint32_t tid, std::uint64_t address, std::uint64_t length) {
  finish_take(tid, true); // an earlier call whose end was missed most likely succeeded
  auto pieces = cut(address, end_of(address, length));
  if (!pieces.empty())
    being_taken_.emplace(tid, std::move(pieces));
}

void RangeMap::finish_take(std::uint32_t tid, bool succeeded) {
  auto found = being_taken_.find(tid);
  if (found == being_taken_.end())
    return;
  const std::vector<Piece> pieces = std::move(found->second);
  being_taken_.erase(found);
  if (succeeded) {
    give_back(pieces);
    return;
  }
  for (const Piece& piece : pieces)
    pieces_.emplace(piece.start, piece);
}

void RangeMap::remove(std::uint64_t address, std::uint64_t length) {
  if (length == 0)
    return;
  const std::uint64_t end = end_of(address, length);
  give_back(cut(address, end));
  // Also what a call in flight is about to give back: should that call fail, it is gone all the
  // same, and something else may lie there by then.
  for (auto& [tid, pieces] : being_taken_)
    give_back(cut_pending(pieces, address, end));
}

void RangeMap::each(const std::function<void(const RangeOwner&, std::uint64_t address,
                                             std::uint64_t bytes)>& visit) const {
  std::unordered_map<RangeId, std::uint64_t> first;
  for (const auto& [start, piece] : pieces_)
    first.emplace(piece.range, start);
  for (const auto& [id, range] : ranges_)
    visit(range.owner, first[id], range.remaining);
}

void RangeMap::each_piece(const std::function<void(const RangeOwner&, std::uint64_t address,
                                                   std::uint64_t bytes)>& visit) const {
  for (const auto& [start, piece] : pieces_)
    if (const auto range = ranges_.find(piece.range); range != ranges_.end())
      visit(range->second.owner, start, piece.end - piece.start);
}

/// Takes what lies in [start, end) out of `pieces_`, splitting pieces that reach beyond it.
std::vector<RangeMap::Piece> RangeMap::cut(std::uint64_t start, std::uint64_t end) {
  std::vector<Piece> taken;
  if (start >= end)
    return taken;
  auto at = pieces_.upper_bound(start);
  if (at != pieces_.begin() && std::prev(at)->second.end > start)
    --at;
  while (at != pieces_.end() && at->second.start < end) {
    const Piece piece = at->second;
    at = pieces_.erase(at);
    if (piece.start < start)
      pieces_.emplace(piece.start, Piece{piece.start, start, piece.range});
    if (piece.end > end)
      at = pieces_.emplace(end, Piece{end, piece.end, piece.range}).first;
    taken.push_back({std::max(piece.start, start), std::min(piece.end, end), piece.range});
  }
  return taken;
}

/// The same for the pieces of a call in flight.
std::vector<RangeMap::Piece> RangeMap::cut_pending(std::vector<Piece>& pieces, std::uint64_t start,
                                                   std::uint64_t end) {
  std::vector<Piece> kept;
  std::vector<Piece> taken;
  for (const Piece& piece : pieces) {
    if (piece.end <= start || piece.start >= end) {
      kept.push_back(piece);
      continue;
    }
    if (piece.start < start)
      kept.push_back({piece.start, start, piece.range});
    if (piece.end > end)
      kept.push_back({end, piece.end, piece.range});
    taken.push_back({std::max(piece.start, start), std::min(piece.end, end), piece.range});
  }
  pieces = std::move(kept);
  return taken;
}

void RangeMap::give_back(const std::vector<Piece>& pieces) {
  for (const Piece& piece : pieces) {
    const std::uint64_t bytes = piece.end - piece.start;
    auto found = ranges_.find(piece.range);
    found->second.remaining -= bytes;
    const bool last = found->second.remaining == 0;
    observer_.given_back(found->second.owner, bytes, last ? 1 : 0);
    if (last)
      ranges_.erase(found);
  }
}

} // namespace leakbpf
