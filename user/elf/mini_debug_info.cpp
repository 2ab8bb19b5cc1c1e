// SPDX-License-Identifier: Apache-2.0
#include "elf/mini_debug_info.h"

#include <algorithm>
#include <string_view>

#include <lzma.h>

namespace leakbpf {

namespace {

// The file is the target's own: it must not be able to make us take much.
constexpr std::uint64_t most_memory = 64 << 20;
constexpr std::size_t most_bytes = 64 << 20;

/// A decoder that is ended with its owner.
class Decoder {
public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { lzma_end(&stream_); }

  std::vector<std::uint8_t> decode(const void* bytes, std::size_t size) {
    std::vector<std::uint8_t> plain;
    if (lzma_stream_decoder(&stream_, most_memory, 0) != LZMA_OK)
      return plain;
    stream_.next_in = static_cast<const std::uint8_t*>(bytes);
    stream_.avail_in = size;
    for (lzma_ret state = LZMA_OK; state != LZMA_STREAM_END;) {
      const std::size_t done = plain.size();
      if (state != LZMA_OK || done >= most_bytes)
        return {};
      plain.resize(std::max<std::size_t>(2 * done, 4 * size + 4096));
      stream_.next_out = plain.data() + done;
      stream_.avail_out = plain.size() - done;
      state = lzma_code(&stream_, LZMA_FINISH);
      plain.resize(plain.size() - stream_.avail_out);
    }
    return plain;
  }

private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

} // namespace

std::vector<std::uint8_t> read_mini_debug_info(const ElfFile& file) {
  Elf* const elf = file.elf();
  std::size_t names = 0;
  if (elf_getshdrstrndx(elf, &names))
    return {};
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section));) {
    GElf_Shdr header;
    const char* const name =
        gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : nullptr;
    if (!name || std::string_view(name) != ".gnu_debugdata")
      continue;
    const auto packed =
        file.read(header.sh_offset, std::min<std::uint64_t>(header.sh_size, most_bytes));
    if (!packed.empty())
      return Decoder().decode(packed.data(), packed.size());
  }
  return {};
}

} // namespace leakbpf
