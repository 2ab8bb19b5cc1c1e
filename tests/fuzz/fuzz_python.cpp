// SPDX-License-Identifier: Apache-2.0
// Any bytes as the memory of a Python process: the first byte chooses the version, the rest lies at
// an address. What is read from it is bounded, whatever it says.
#include "python/arenas.h"
#include "python/code_follower.h"
#include "python/code_names.h"
#include "python/line_table.h"
#include "python/pool_function.h"
#include "python/retained.h"
#include "python/thread_key.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

using namespace leakbpf; // NOLINT: a program of one page

namespace {

constexpr std::uint64_t base = 0x100000;
constexpr std::uint32_t pool_bytes = 4096;

/// The bytes again and again, so that most pointers lead somewhere.
class BytesAsMemory : public ProcessMemory {
public:
  explicit BytesAsMemory(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override {
    if (address % 7 == 3 || size > (64 << 20)) // some places cannot be read
      return false;
    for (std::size_t i = 0; i < size; i++)
      static_cast<std::uint8_t*>(to)[i] = bytes_[(address - base + i) % bytes_.size()];
    return true;
  }

private:
  std::span<const std::uint8_t> bytes_;
};

void read_code(const BytesAsMemory& memory, const PythonLayout& layout) {
  if (const auto text = read_string(memory, layout, base); text && text->size() > 4 * 4096)
    std::abort();
  const auto check = code_checksum(memory, layout, base, 0);
  PythonNames names([](std::uint32_t, std::uint64_t) { return 0U; });
  if (!check)
    return;
  const auto code = names.code_of(1, memory, layout, base, *check);
  for (const std::uint32_t instruction : {0U, 1U, 200U, 0xffffffffU})
    if (!names.is_hidden(code, instruction) &&
        names.name(code, instruction).kind != FrameKind::python)
      std::abort();
}

void read_heap(const BytesAsMemory& memory) {
  const std::vector<HoldingBlock> holders{{base + 8, 4096, 0}, {base + 64, 100000, 1}};
  const std::vector<HeldPool> pools{{base, 1}, {base + pool_bytes, 0}};
  const auto found = find_retained(memory, holders, pools, pool_bytes, 2, {1 << 20, 6});
  if (found.holds.size() != 2 || found.holds[0].bytes + found.holds[1].bytes > 2 * pool_bytes)
    std::abort();
  if (const auto heap = read_small_objects(memory, arena_list_of(base, pool_bytes));
      heap && heap->live_bytes > heap->pool_bytes)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 16)
    return 0;
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  const BytesAsMemory memory(bytes);
  auto layout = python_layout({3, 8U + data[0] % 7});
  if (apply_debug_offsets(memory, base, *layout) && layout->walk.state_frame >= 112)
    std::abort();
  read_code(memory, *layout);
  for (const auto kind :
       {LineTableKind::lnotab, LineTableKind::linetable, LineTableKind::locations})
    (void)line_of(kind, bytes, data[0], static_cast<std::uint32_t>(size));
  if (const auto place = find_thread_key(bytes, base, memory))
    if (const auto key = read_thread_key(*place, memory); key && *key >= 1024)
      std::abort();
  (void)follow_to_jump(bytes, base, memory);
  (void)find_arena_list({3, 11}, {base, {bytes.begin(), bytes.end()}, pool_bytes}, 0);
  read_heap(memory);
  return 0;
}
