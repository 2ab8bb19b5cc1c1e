// SPDX-License-Identifier: Apache-2.0
#include "python/code_object.h"

#include "base/text.h"

#include <leakbpf/stack_hash.h>

#include <array>
#include <cstring>

namespace leakbpf {

namespace {

constexpr std::uint64_t most_characters = 4096;
constexpr std::uint64_t most_line_table_bytes = 1 << 20;
constexpr std::uint64_t size_offset = 16;  ///< ob_size, and a str's length
constexpr std::uint64_t bytes_header = 32; ///< of a bytes object
constexpr std::uint64_t string_state = 32;

/// Characters of 1 (Latin-1), 2 or 4 bytes.
std::string to_utf8(const std::vector<std::uint8_t>& characters, std::size_t width) {
  std::string text;
  text.reserve(characters.size() / width);
  for (std::size_t at = 0; at + width <= characters.size(); at += width) {
    std::uint32_t code = 0;
    std::memcpy(&code, &characters[at], width); // x86-64 is little-endian, as the target is
    append_utf8(text, code);
  }
  return text;
}

std::optional<std::vector<std::uint8_t>>
read_bytes_object(const ProcessMemory& memory, std::uint64_t address, std::uint64_t most) {
  const auto size = memory.get<std::uint64_t>(address + size_offset);
  if (!size || *size > most)
    return std::nullopt;
  std::vector<std::uint8_t> bytes(*size);
  if (!bytes.empty() && !memory.read(address + bytes_header, bytes.data(), bytes.size()))
    return std::nullopt;
  return bytes;
}

std::optional<std::string> read_string_at(const ProcessMemory& memory, const PythonLayout& layout,
                                          std::uint64_t pointer) {
  const auto address = memory.get<std::uint64_t>(pointer);
  return address ? read_string(memory, layout, *address) : std::nullopt;
}

} // namespace

std::optional<std::string> read_string(const ProcessMemory& memory, const PythonLayout& layout,
                                       std::uint64_t address) {
  const auto length = memory.get<std::uint64_t>(address + size_offset);
  const auto state = memory.get<std::uint32_t>(address + string_state);
  if (!length || !state || *length > most_characters)
    return std::nullopt;
  const std::size_t width = *state >> 2 & 7;
  const bool compact = (*state >> 5 & 1) != 0;
  const bool ascii = (*state >> 6 & 1) != 0;
  if (width != 1 && width != 2 && width != 4)
    return std::nullopt;
  std::uint64_t start = address + (ascii ? layout.ascii_header : layout.compact_header);
  if (!compact) { // its characters are elsewhere
    const auto elsewhere = memory.get<std::uint64_t>(address + layout.compact_header);
    if (!elsewhere)
      return std::nullopt;
    start = *elsewhere;
  }
  std::vector<std::uint8_t> characters(*length * width);
  if (!characters.empty() && !memory.read(start, characters.data(), characters.size()))
    return std::nullopt;
  return to_utf8(characters, width);
}

std::optional<std::uint32_t> code_checksum(const ProcessMemory& memory, const PythonLayout& layout,
                                           std::uint64_t address, std::uint32_t deaths) {
  std::array<std::uint64_t, LEAKBPF_PYTHON_CHECK_WORDS> words{};
  const std::size_t count = layout.walk.check_words;
  if (count > words.size() ||
      !memory.read(address + layout.walk.check_from, words.data(), count * sizeof(words[0])))
    return std::nullopt;
  std::uint64_t hash = deaths;
  for (std::size_t i = 0; i < count; i++)
    hash = unwind_hash(hash, words.at(i));
  return static_cast<std::uint32_t>(hash >> 32);
}

std::optional<CodeObject> read_dead_code_object(const ProcessMemory& memory,
                                                const PythonLayout& layout, std::uint64_t address) {
  const auto file = read_string_at(memory, layout, address + layout.code_filename);
  const auto function = read_string_at(memory, layout, address + layout.name_offset());
  const auto first_line = memory.get<std::uint32_t>(address + layout.code_first_line);
  const auto table = memory.get<std::uint64_t>(address + layout.code_line_table);
  if (!file || !function || !first_line || !table)
    return std::nullopt;
  constexpr std::uint32_t unit = 2;
  std::optional<std::uint32_t> traceable;
  if (layout.code_first_traceable != 0)
    traceable = memory.get<std::uint32_t>(address + layout.code_first_traceable);
  auto lines = read_bytes_object(memory, *table, most_line_table_bytes);
  return CodeObject{*file, *function, *first_line, traceable.value_or(0) * unit,
                    lines ? std::move(*lines) : std::vector<std::uint8_t>()};
}

std::optional<CodeObject> read_code_object(const ProcessMemory& memory, const PythonLayout& layout,
                                           std::uint64_t address, std::uint32_t check,
                                           std::uint32_t deaths) {
  if (code_checksum(memory, layout, address, deaths) != check)
    return std::nullopt;
  auto code = read_dead_code_object(memory, layout, address);
  // Still the same: it may have died while it was read.
  if (!code || code_checksum(memory, layout, address, deaths) != check)
    return std::nullopt;
  return code;
}

} // namespace leakbpf
