// SPDX-License-Identifier: Apache-2.0
// The memory of a Python process, damaged: the input is a list of words that are put somewhere into
// the image that LEAKBPF_HEAP_IMAGE names (tests/fuzz/record-heaps makes some), most of them where
// the reader reads. Whatever stands there, reading ends, and no row has numbers that cannot be.
#include "heap_image.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <set>

using namespace leakbpf; // NOLINT: a program of one page

namespace {

/// Words of 16 bytes: where, of all bytes there are, and what. Each lasts for one input.
class DamagedMemory : public ProcessMemory {
public:
  explicit DamagedMemory(HeapImage& image) : image_(image) {}
  ~DamagedMemory() override {
    for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo)
      std::memcpy(undo->first, &undo->second, sizeof(undo->second));
  }
  DamagedMemory(const DamagedMemory&) = delete;
  DamagedMemory& operator=(const DamagedMemory&) = delete;

  void put(std::uint64_t address, std::uint64_t value) {
    std::uint8_t* const to = image_.at(address, sizeof(value));
    if (to == nullptr)
      return;
    std::uint64_t before = 0;
    std::memcpy(&before, to, sizeof(before));
    undo_.emplace_back(to, before);
    std::memcpy(to, &value, sizeof(value));
  }
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override {
    const std::uint8_t* const from = image_.at(address, size);
    if (from == nullptr)
      return false;
    if (noted_ != nullptr && size <= largest_noted)
      for (std::size_t offset = 0; offset < size; offset += 8)
        noted_->insert((address & ~std::uint64_t{7}) + offset);
    std::memcpy(to, from, size);
    return true;
  }

  /// Takes note of the words that are read, but for those of whole pages.
  void note_in(std::set<std::uint64_t>& words) { noted_ = &words; }

  /// Every container has so many entries more than its head says.
  void grow_to(std::uint64_t entries) { more_ = entries; }
  [[nodiscard]] std::size_t read_pieces(std::span<const Piece> pieces,
                                        std::vector<std::uint64_t>& words) const override {
    const std::size_t got = ProcessMemory::read_pieces(pieces, words);
    constexpr std::size_t head_bytes = 32; // which sizes are read with
    for (std::size_t i = 0; i < got && pieces[0].bytes == head_bytes; i++) {
      words[i * 4 + 2] += more_;
      words[i * 4 + 3] += more_;
    }
    return got;
  }

private:
  static constexpr std::size_t largest_noted = 512;

  HeapImage& image_;
  std::uint64_t more_ = 0;
  std::set<std::uint64_t>* noted_ = nullptr;
  std::vector<std::pair<std::uint8_t*, std::uint64_t>> undo_;
};

/// More of the pages are there with time, so that there seem to be more and more objects.
class GrowingPages : public PresentPages {
public:
  explicit GrowingPages(const unsigned& eighths) : eighths_(eighths) {}
  [[nodiscard]] std::vector<PageState> states(std::uint64_t address,
                                              std::size_t count) const override {
    std::vector<PageState> states(count, PageState::absent);
    for (std::size_t i = 0; i < count; i++)
      if ((address / page_bytes + i) * 5 % 8 < eighths_)
        states[i] = PageState::present;
    return states;
  }

private:
  const unsigned& eighths_;
};

HeapImage& image() {
  static HeapImage loaded = [] {
    const char* const path = std::getenv("LEAKBPF_HEAP_IMAGE");
    HeapImage read = HeapImage::load(path != nullptr ? path : "");
    if (read.pieces.empty()) {
      std::cerr << "LEAKBPF_HEAP_IMAGE names no image\n";
      std::exit(1); // NOLINT(concurrency-mt-unsafe)
    }
    return read;
  }();
  return loaded;
}

/// The place `share` of 2^32 through all bytes of the heap.
std::uint64_t place(std::uint32_t share) {
  std::uint64_t all = 0;
  for (const auto& [end, piece] : image().pieces)
    all += piece.bytes.size();
  std::uint64_t offset = all * share >> 32 & ~std::uint64_t{7};
  for (const auto& [end, piece] : image().pieces) {
    if (offset < piece.bytes.size())
      return piece.start + offset;
    offset -= piece.bytes.size();
  }
  return 0;
}

struct Edit {
  std::uint32_t where = 0;
  std::uint32_t to = 0; ///< of a pointer: the place that it leads to
  std::uint64_t value = 0;
};

void check(const HeldFinding& finding) {
  const HeldReport& row = finding.row;
  const bool sane = row.bytes.value_or(0) < 1ULL << 60 && row.path.size() < 100'000 &&
                    row.contents.size() < 10'000 && row.lines.size() < 100;
  if (!sane)
    std::abort();
}

/// Looks as a run does, for as long as it takes to find that something grows. `damage` comes after
/// the first look.
void look(std::unique_ptr<DamagedMemory> owned, bool containers_grow,
          const std::function<void(DamagedMemory&)>& damage) {
  DamagedMemory& memory = *owned;
  unsigned eighths = 1;
  HeldSource source{std::move(owned),
                    std::make_unique<GrowingPages>(eighths),
                    [] {
                      std::vector<HeapRange> ranges;
                      for (const auto& [end, piece] : image().pieces)
                        if (piece.heap != 0)
                          ranges.push_back({piece.start, end});
                      return ranges;
                    },
                    {}, // no files are open
                    1};
  PythonProcess python;
  python.layout = *python_layout({3, image().minor});
  python.runtime = image().runtime;
  if (image().minor >= 13 && !apply_debug_offsets(memory, python.runtime, python.layout))
    return;
  auto made = HeldWatch::make(std::move(source), python);
  if (!made)
    return;
  HeldWatch& watch = **made;
  watch.scan(0);
  damage(memory);
  for (; eighths <= 8; eighths++) {
    for (unsigned t = 4 * eighths - 3; t < 4 * eighths; t++) {
      memory.grow_to(containers_grow ? 20 * t : 0);
      watch.sample(t);
    }
    watch.scan(4 * eighths);
  }
  watch.explain(40);
  for (const HeldFinding& finding : watch.findings())
    check(finding);
}

/// The words that the reader reads of an undamaged image.
const std::vector<std::uint64_t>& words_of_reader() {
  static const std::vector<std::uint64_t> words = [] {
    std::set<std::uint64_t> noted;
    for (const bool containers_grow : {false, true})
      look(std::make_unique<DamagedMemory>(image()), containers_grow,
           [&](DamagedMemory& memory) { memory.note_in(noted); });
    return std::vector<std::uint64_t>(noted.begin(), noted.end());
  }();
  return words;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint64_t>& words = words_of_reader();
  const bool containers_grow = size > 0 && (data[0] & 1) != 0;
  look(std::make_unique<DamagedMemory>(image()), containers_grow, [&](DamagedMemory& memory) {
    for (std::size_t at = 1; at + sizeof(Edit) <= size; at += sizeof(Edit)) {
      Edit edit;
      std::memcpy(&edit, data + at, sizeof(edit));
      const bool anywhere = words.empty() || edit.where % 4 == 0;
      memory.put(anywhere ? place(edit.where) : words[edit.where / 4 % words.size()],
                 edit.to != 0 ? place(edit.to) : edit.value);
    }
  });
  return 0;
}
