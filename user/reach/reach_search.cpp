// SPDX-License-Identifier: Apache-2.0
#include "reach/reach_search.h"

#include "reach/chunk_walk.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace leakbpf {

namespace {

constexpr std::size_t most_blocks = 3'000'000;    ///< 16 bytes each
constexpr std::uint64_t red_zone = 128;           ///< below the stack pointer, in use (psABI)
constexpr std::uint64_t small_bytes = page_bytes; ///< blocks below are read many at once
constexpr std::size_t small_at_once = 512;

constexpr std::uint32_t not_reached = ~0U;
constexpr std::uint32_t by_area = not_reached - 1;

bool is_data(const Mapping& mapping, const Mapping* before) {
  if (mapping.inode != 0)
    return true;
  // What is zero at the start lies behind the file's part, and belongs to no file.
  return mapping.path.empty() && before && before->end == mapping.start && before->inode != 0 &&
         before->writable;
}

/// "NUMBER ARGUMENT... SP PC", "-1 SP PC", or "running".
std::uint64_t stack_pointer(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    if (end > 0)
      words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (words.size() < 3 || !words[words.size() - 2].starts_with("0x"))
    return 0;
  const std::string_view word = words[words.size() - 2].substr(2);
  std::uint64_t pointer = 0;
  std::from_chars(word.data(), word.data() + word.size(), pointer, 16);
  return pointer;
}

} // namespace

std::vector<ThreadStack> waiting_stacks(const ProcFs& proc, pid_t pid) {
  std::vector<ThreadStack> stacks;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(proc.path(pid, "task"), error)) {
    const std::string name = task.path().filename();
    const auto text = proc.read(pid, "task/" + name + "/syscall");
    const std::uint64_t pointer = text ? stack_pointer(*text) : 0;
    if (pointer != 0)
      stacks.push_back({static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10)), pointer});
  }
  return stacks;
}

ReachSearch::ReachSearch(const ProcessMemory& memory, const PresentPages& pages,
                         std::span<const Mapping> mappings, std::span<const ThreadStack> stacks)
    : memory_(memory), pages_(pages), buffer_(fast_read_bytes) {
  const Mapping* before = nullptr;
  for (const Mapping& mapping : mappings) {
    if (mapping.writable && !mapping.shared)
      add_area(mapping, before, stacks);
    before = &mapping;
  }
}

void ReachSearch::add_area(const Mapping& mapping, const Mapping* before,
                           std::span<const ThreadStack> stacks) {
  Area area{mapping.start, mapping.end, HolderKind::memory, 0};
  const auto stack = std::find_if(stacks.begin(), stacks.end(), [&](const ThreadStack& each) {
    return each.pointer >= mapping.start && each.pointer < mapping.end;
  });
  if (stack != stacks.end()) {
    area.kind = HolderKind::stack;
    area.thread = stack->thread;
    area.start = std::max(mapping.start, (stack->pointer - red_zone) & ~std::uint64_t{7});
  } else if (mapping.path == "[stack]") {
    area.kind = HolderKind::stack;
  } else if (is_data(mapping, before)) {
    area.kind = HolderKind::data;
  } else {
    return add_blocks(mapping, area);
  }
  areas_.push_back(area);
}

/// What glibc's malloc keeps there; behind the last chunk that makes sense nothing is known.
void ReachSearch::add_blocks(const Mapping& mapping, Area area) {
  const auto first = find_first_chunk(memory_, mapping);
  if (first) {
    ChunkWalk chunks(memory_, pages_, *first);
    for (; !chunks.is_done() && heap_.size() < most_blocks; chunks.step())
      if (const auto block = chunks.block())
        heap_.add(block->start, block->end, block->in_use);
    too_much_ = too_much_ || heap_.size() >= most_blocks;
    area.start = chunks.header();
  }
  if (area.start < area.end)
    areas_.push_back(area);
}

/// Calls hit(address, word) for each, as far as its page is there.
template <class Hit>
void ReachSearch::each_word(std::uint64_t start, std::uint64_t end, const Hit& hit) {
  constexpr std::uint64_t window_bytes = 1024 * page_bytes;
  for (std::uint64_t window = start / page_bytes * page_bytes; window < end;
       window += window_bytes) {
    const std::uint64_t window_end = std::min(end, window + window_bytes);
    const std::vector<PageState> pages =
        pages_.states(window, (window_end - window + page_bytes - 1) / page_bytes);
    for (std::uint64_t at = window; at < window_end;) {
      std::uint64_t to = at;
      while (to < window_end && to - at < fast_read_bytes &&
             pages[(to - window) / page_bytes] == PageState::present)
        to += page_bytes;
      if (to == at) {
        at += page_bytes;
        continue;
      }
      const std::uint64_t from = std::max(at, start);
      to = std::min(to, end);
      if (memory_.read(from, buffer_.data(), to - from))
        for (std::uint64_t word = from; word + sizeof(word) <= to; word += sizeof(word)) {
          std::uint64_t value = 0;
          std::memcpy(&value, &buffer_[word - from], sizeof(value));
          hit(word, value);
        }
      at = (to + page_bytes - 1) / page_bytes * page_bytes;
    }
  }
}

void ReachSearch::mark(std::uint64_t word, std::uint32_t by) {
  const auto block = heap_.find(word);
  if (!block || *block == by)
    return;
  if (!heap_.in_use(*block))
    return mark_part(*block, word, by);
  if (marked_by_[*block] != not_reached)
    return;
  marked_by_[*block] = by;
  queue_.push_back(*block);
}

/// What was free may have been handed out meanwhile, in parts: the newest link of a list always
/// was.
void ReachSearch::mark_part(std::uint32_t block, std::uint64_t word, std::uint32_t by) {
  if (const auto after = part_from_.upper_bound(word);
      after != part_from_.begin() && word < range_of(std::prev(after)->second).end)
    return; // reached before
  const auto part =
      part_in_use(memory_, {heap_.start(block), heap_.end(block), false}, word, headers_left_);
  too_much_ = too_much_ || headers_left_ == 0;
  if (!part)
    return;
  const auto number = static_cast<std::uint32_t>(marked_by_.size());
  part_from_.emplace(part->start, number);
  parts_.push_back(*part);
  marked_by_.push_back(by);
  queue_.push_back(number);
}

/// Of a block of the heap, or of a part.
HeapBlock ReachSearch::range_of(std::uint32_t number) const {
  if (number >= heap_.size())
    return parts_[number - heap_.size()];
  return {heap_.start(number), heap_.end(number), heap_.in_use(number)};
}

void ReachSearch::mark_from_areas() {
  for (const Area& area : areas_)
    each_word(area.start, area.end, [&](std::uint64_t address, std::uint64_t word) {
      const std::size_t before = queue_.size();
      if (const auto block = heap_.find(word);
          block && address >= heap_.start(*block) && address < heap_.end(*block))
        return; // it points to itself
      mark(word, by_area);
      if (queue_.size() > before)
        held_at_once_[queue_.back()] = {area.kind, address, area.thread, 0};
    });
}

/// Of small blocks, with few system calls.
void ReachSearch::mark_from_small(std::span<const std::uint32_t> blocks) {
  std::vector<ProcessMemory::Piece> pieces;
  pieces.reserve(blocks.size());
  for (const std::uint32_t block : blocks)
    pieces.push_back({range_of(block).start, range_of(block).end - range_of(block).start});
  for (std::size_t done = 0; done < pieces.size(); done++) { // past one that cannot be read
    const std::size_t got = memory_.read_pieces(std::span(pieces).subspan(done), words_);
    std::size_t at = 0;
    for (std::size_t i = 0; i < got; i++)
      for (const std::size_t end = at + pieces[done + i].bytes / 8; at < end; at++)
        mark(words_[at], blocks[done + i]);
    done += got;
  }
}

void ReachSearch::mark_from_blocks() {
  std::vector<std::uint32_t> small;
  for (std::size_t next = 0; next < queue_.size() || !small.empty();) {
    if (next == queue_.size() || small.size() == small_at_once) {
      mark_from_small(small);
      small.clear();
      continue;
    }
    const std::uint32_t block = queue_[next++];
    const HeapBlock range = range_of(block);
    if (range.end - range.start <= small_bytes)
      small.push_back(block);
    else
      each_word(range.start, range.end,
                [&](std::uint64_t /*address*/, std::uint64_t word) { mark(word, block); });
  }
}

Reach ReachSearch::reach_of(std::uint64_t address) const {
  const auto block = heap_.find(address);
  if (!block || !heap_.in_use(*block))
    return {}; // given back meanwhile
  std::uint32_t at = *block;
  std::size_t between = 0;
  for (; marked_by_[at] < by_area; at = marked_by_[at])
    between++;
  if (marked_by_[at] == not_reached)
    return {!too_much_, std::nullopt};
  Holder holder = held_at_once_.at(at);
  holder.blocks = between;
  return {true, holder};
}

std::vector<Reach> ReachSearch::run(std::span<const ReachBlock> blocks) {
  // Those of allocators that are not known are no more than this.
  for (const ReachBlock& block : blocks)
    heap_.add(block.start, block.start + (std::max<std::uint64_t>(block.bytes, 1) + 7) / 8 * 8);
  heap_.seal();
  marked_by_.assign(heap_.size(), not_reached);
  mark_from_areas();
  mark_from_blocks();
  std::vector<Reach> reached;
  reached.reserve(blocks.size());
  for (const ReachBlock& block : blocks)
    reached.push_back(reach_of(block.start));
  return reached;
}

} // namespace leakbpf
