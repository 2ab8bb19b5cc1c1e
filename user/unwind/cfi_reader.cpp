// SPDX-License-Identifier: Apache-2.0
#include "unwind/cfi_reader.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace leakbpf {

namespace {

/// Several times what the largest programs have. A CIE takes more memory than it has bytes.
constexpr std::size_t most_cies = std::size_t{1} << 18;

} // namespace

CfiReader::CfiReader(const CfiSection& section) : section_(section) {
  const std::uint8_t* begin = section.bytes.data();
  const ByteCursor whole(begin, begin + section.bytes.size());
  cursor_ = whole;
  while (const auto entry = next_entry())
    if (entry->is_cie && entry->readable && cies_.size() < most_cies)
      cies_.push_back({entry->start, read_cie(entry->body)});
  cursor_ = whole;
  unreadable_bytes_ = 0;
}

std::optional<Fde> CfiReader::next() {
  while (const auto entry = next_entry()) {
    if (entry->is_cie)
      continue;
    if (const auto fde = read_fde(*entry))
      return fde;
    ++damaged_;
  }
  return std::nullopt;
}

std::optional<CfiReader::Entry> CfiReader::next_entry() {
  constexpr std::uint32_t extended_length = 0xffff'ffff;
  while (!cursor_.at_end()) {
    Entry entry;
    entry.start = static_cast<std::size_t>(cursor_.position() - section_.bytes.data());
    const std::size_t left = cursor_.left();
    std::uint64_t length = cursor_.fixed<std::uint32_t>();
    const bool is_64_bit = length == extended_length;
    if (is_64_bit)
      length = cursor_.fixed<std::uint64_t>();
    // A terminator in the middle of a section comes from the object files that it was made of.
    if (length == 0 && !cursor_.failed()) {
      if (section_.ends_at_terminator)
        break;
      continue;
    }
    if (cursor_.failed() || length > cursor_.left()) {
      unreadable_bytes_ = left;
      break;
    }
    read_id(entry, cursor_.take(length), is_64_bit);
    return entry;
  }
  return std::nullopt;
}

void CfiReader::read_id(Entry& entry, ByteCursor entry_bytes, bool is_64_bit) const {
  if (section_.format == CfiSection::Format::eh_frame) {
    // 32 bits even where the length has 64; from the pointer back to the CIE.
    const auto place = static_cast<std::size_t>(entry_bytes.position() - section_.bytes.data());
    const auto back = entry_bytes.fixed<std::uint32_t>();
    entry.is_cie = back == 0 && !entry_bytes.failed();
    entry.readable = !entry_bytes.failed() && back <= place;
    entry.cie = entry.is_cie ? entry.start : place - back;
  } else {
    constexpr std::uint64_t cie_id = ~std::uint64_t{0};
    // The sign extension makes ~0 of the 32-bit id; no section has its 2 GiB offset.
    const auto id = is_64_bit ? entry_bytes.fixed<std::uint64_t>()
                              : static_cast<std::uint64_t>(entry_bytes.fixed<std::int32_t>());
    entry.is_cie = id == cie_id;
    entry.readable = !entry_bytes.failed();
    entry.cie = entry.is_cie ? entry.start : id;
  }
  entry.body = entry_bytes;
}

Cie CfiReader::read_cie(ByteCursor body) const {
  Cie cie;
  cie.damaged = true;
  const std::uint8_t version = body.byte();
  const auto* letters = reinterpret_cast<const char*>(body.position());
  const std::size_t letter_count = ::strnlen(letters, body.left());
  body.skip(letter_count + 1); // fails when there is no end of the string
  if (body.failed() || (version != 1 && version != 3 && version != 4))
    return cie;
  // GCC 2 put a pointer here, for its own exception handling.
  if (std::string_view(letters, letter_count) == "eh")
    body.skip(sizeof(std::uint64_t));
  if (version == 4) {
    const std::uint8_t address_size = body.byte();
    const std::uint8_t segment_selector_size = body.byte();
    if (address_size != sizeof(std::uint64_t) || segment_selector_size != 0)
      return cie;
  }
  cie.code_alignment = body.uleb();
  cie.data_alignment = body.sleb();
  cie.return_register = version == 1 ? body.byte() : body.uleb();
  if (!read_augmentation(cie, letters, body) || body.failed())
    return cie;
  CfiProgram program(section_);
  program.start_initial(cie, body);
  if (program.next() != CfiProgram::Step::row)
    return cie;
  cie.initial = program.state();
  cie.damaged = false;
  return cie;
}

/// `letters` ends with a zero.
bool CfiReader::read_augmentation(Cie& cie, const char* letters, ByteCursor& body) const {
  if (std::string_view(letters) == "eh")
    return true;
  ByteCursor data = body;
  if (*letters == 'z') {
    ++letters;
    cie.sized_augmentation = true;
    data = body.take(body.uleb());
  }
  for (; *letters != '\0'; ++letters)
    if (!read_augmentation_letter(cie, *letters, data))
      return false;
  if (!cie.sized_augmentation)
    body = data;
  return !data.failed();
}

bool CfiReader::read_augmentation_letter(Cie& cie, char letter, ByteCursor& data) const {
  switch (letter) {
  case 'R':
    cie.code_encoding = data.byte();
    return true;
  case 'L':
    cie.personal_encoding = data.byte();
    return true;
  case 'P': {
    const std::uint8_t encoding = data.byte();
    if ((encoding & pointer_encoding::base_mask) == pointer_encoding::aligned)
      return false;
    return encoding == pointer_encoding::omitted || read_encoded(data, encoding).has_value();
  }
  case 'S':
    cie.signal_frame = true;
    return true;
  default:
    return false;
  }
}

const Cie* CfiReader::find_cie(std::size_t start) {
  if (last_cie_ >= cies_.size() || cies_[last_cie_].start != start) {
    const auto found = std::lower_bound(
        cies_.begin(), cies_.end(), start,
        [](const PlacedCie& placed, std::size_t wanted) { return placed.start < wanted; });
    if (found == cies_.end() || found->start != start)
      return nullptr;
    last_cie_ = static_cast<std::size_t>(found - cies_.begin());
  }
  return &cies_[last_cie_].cie;
}

std::optional<Fde> CfiReader::read_fde(const Entry& entry) {
  Fde fde;
  fde.cie = entry.readable ? find_cie(entry.cie) : nullptr;
  if (fde.cie == nullptr || fde.cie->damaged)
    return std::nullopt;
  ByteCursor body = entry.body;
  const auto address = read_pointer(body, fde.cie->code_encoding, section_);
  const auto size = read_encoded(body, fde.cie->code_encoding);
  if (!address || !size || *size > ~*address)
    return std::nullopt;
  if (fde.cie->sized_augmentation)
    body.skip(body.uleb());
  else if (fde.cie->personal_encoding != pointer_encoding::omitted &&
           !read_encoded(body, fde.cie->personal_encoding))
    return std::nullopt;
  if (body.failed())
    return std::nullopt;
  fde.address = *address;
  fde.size = *size;
  fde.instructions = body;
  return fde;
}

} // namespace leakbpf
