// SPDX-License-Identifier: Apache-2.0
// Entries of .eh_frame and .debug_frame: encodings, versions, damage.
#include "cfi_bytes.h"
#include "unwind/cfi_reader.h"

#include <cstdint>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using leakbpf::CfiReader;
using leakbpf::CfiSection;
using leakbpf::Fde;
using leakbpf::cfi::Bytes;
using leakbpf::cfi::CieFields;
using leakbpf::cfi::Section;
using Format = leakbpf::CfiSection::Format;

namespace {

constexpr std::uint64_t address = 0x8000;
constexpr std::uint64_t data_base = 0x7000;
constexpr std::uint64_t code_start = 0x1000;

struct Read {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> functions; ///< address, size
  std::uint64_t damaged = 0;
  std::uint64_t unreadable_bytes = 0;
  friend bool operator==(const Read&, const Read&) = default;
};

Read read(const Bytes& bytes, Format format = Format::eh_frame, bool ends_at_terminator = false) {
  const CfiSection section{bytes, format, address, data_base, ends_at_terminator};
  CfiReader reader(section);
  Read result;
  while (const auto fde = reader.next())
    result.functions.emplace_back(fde->address, fde->size);
  result.damaged = reader.damaged();
  result.unreadable_bytes = reader.unreadable_bytes();
  return result;
}

Read one_function() {
  return {{{code_start, 0x20}}, 0, 0};
}

/// One function, with its address under `encoding`.
Read read_encoded(unsigned encoding, std::uint64_t base) {
  CieFields fields;
  fields.augmentation = {static_cast<std::uint8_t>(encoding)};
  Section section(address);
  const std::size_t cie = section.cie(fields);
  const std::uint64_t value = code_start - base;
  const auto put = [&](Bytes& body, std::uint64_t number) {
    switch (encoding & 0x0f) {
    case 0x01:
      body.uleb(number);
      break;
    case 0x09:
      body.sleb(static_cast<std::int64_t>(number));
      break;
    case 0x02:
    case 0x0a:
      body.u16(static_cast<unsigned>(number & 0xffff));
      break;
    case 0x03:
    case 0x0b:
      body.u32(number);
      break;
    default:
      body.u64(number);
    }
  };
  Bytes body;
  put(body, value);
  put(body, 0x20);
  section.raw_fde(cie, body.u8(0));
  return read(section.bytes);
}

} // namespace

TEST_CASE("cfi: addresses in all their encodings", "[unwind]") {
  const Section probe = [] {
    Section section(address);
    section.cie();
    return section;
  }();
  const std::uint64_t itself = address + probe.address_field();
  for (const unsigned format :
       {0x00U, 0x01U, 0x02U, 0x03U, 0x04U, 0x08U, 0x09U, 0x0aU, 0x0bU, 0x0cU}) {
    INFO("format " << format);
    CHECK(read_encoded(format, 0) == one_function());
    if (format == 0x00 || format == 0x01 || format == 0x04 || format > 0x08) {
      CHECK(read_encoded(format | 0x10, itself) == one_function());
      CHECK(read_encoded(format | 0x30, data_base) == one_function());
    }
  }
  // Relative to what we do not know, to be looked up in memory, or no encoding at all.
  for (const unsigned encoding : {0x20U, 0x40U, 0x50U, 0x80U, 0x9bU, 0x05U, 0x0fU, 0xffU}) {
    INFO("encoding " << encoding);
    CHECK(read_encoded(encoding, 0) == Read{{}, 1, 0});
  }
}

TEST_CASE("cfi: what CIEs may say", "[unwind]") {
  struct Case {
    const char* letters;
    Bytes data;
    bool good;
  };
  const std::vector<Case> cases = {
      {"zR", {0x1b}, true},
      {"zRS", {0x1b}, true},
      {"zPLR", {0x9b, 1, 2, 3, 4, 0x1b, 0x1b}, true},
      {"zRP", {0x1b, 0x00, 1, 2, 3, 4, 5, 6, 7, 8}, true},
      {"zPR", {0xff, 0x1b}, true},
      {"zRX", {0x1b}, false},       // a letter that we do not know
      {"zPR", {0x50, 0x1b}, false}, // aligned: to what?
      {"zPR", {0x9b}, false},       // cut off
      {"x", {}, false},
  };
  for (const Case& each : cases) {
    INFO(each.letters << " with " << each.data.size() << " bytes");
    CieFields fields;
    fields.letters = each.letters;
    fields.augmentation = each.data;
    Section section(address);
    const std::size_t cie = section.cie(fields);
    section.fde(cie, code_start, 0x20);
    CHECK(read(section.bytes) == (each.good ? one_function() : Read{{}, 1, 0}));
  }
}

TEST_CASE("cfi: a CIE of GCC 2, and FDEs with an LSDA but no length", "[unwind]") {
  Section section(address);
  CieFields fields;
  fields.letters = "RL";
  fields.augmentation = {0x00, 0x00};
  const std::size_t with_lsda = section.cie(fields);
  section.raw_fde(with_lsda, Bytes().u64(code_start).u64(0x20).u64(0xdead).add({0x0e, 16}));
  CHECK(read(section.bytes) == one_function());

  Section old(address);
  Bytes body;
  body.u32(0).u8(1).text("eh").u64(0).u8(1).sleb(-8).u8(16).add(leakbpf::cfi::usual_start());
  old.bytes.u32(body.size()).add(body);
  old.raw_fde(0, Bytes().u64(code_start).u64(0x20));
  CHECK(read(old.bytes) == one_function());
}

TEST_CASE("cfi: versions of CIEs", "[unwind]") {
  for (const unsigned version : {0U, 1U, 2U, 3U, 4U, 5U}) {
    INFO("version " << version);
    CieFields fields;
    fields.version = version;
    fields.letters = "";
    fields.augmentation = {};
    const Read expected =
        version == 1 || version == 3 || version == 4 ? one_function() : Read{{}, 1, 0};
    for (const bool is_64_bit : {false, true}) {
      Section section(0, Format::debug_frame, is_64_bit);
      section.fde(section.cie(fields), code_start, 0x20);
      CHECK(read(section.bytes, Format::debug_frame) == expected);
    }
  }
}

TEST_CASE("cfi: 64-bit lengths", "[unwind]") {
  Section section(address, Format::eh_frame, true);
  const std::size_t cie = section.cie();
  section.fde(cie, code_start, 0x20);
  section.bytes.u32(0);
  CHECK(read(section.bytes) == one_function());
}

TEST_CASE("cfi: a terminator ends a section only where nothing else does", "[unwind]") {
  Section section(address);
  const std::size_t cie = section.cie();
  section.fde(cie, code_start, 0x20);
  section.bytes.u32(0);
  section.fde(cie, code_start + 0x20, 0x20);
  CHECK(read(section.bytes, Format::eh_frame, true) == one_function());
  CHECK(read(section.bytes).functions.size() == 2);
}

TEST_CASE("cfi: damage stays where it is", "[unwind]") {
  Section section(address);
  const std::size_t cie = section.cie();
  CieFields bad;
  bad.instructions = {0x41}; // an advance: there is no address yet
  const std::size_t bad_cie = section.cie(bad);
  section.fde(bad_cie, 0x3000, 0x20);
  section.raw_fde(cie, Bytes().u16(7));                               // too short
  section.raw_fde(cie + 1, Bytes().u32(8).u32(8).u8(0));              // no CIE there
  section.raw_fde(cie, Bytes().u32(0x1000).u32(8).uleb(1 << 20));     // augmentation too long
  section.raw_fde(section.bytes.size() + 400, Bytes().u32(8).u32(8)); // before the section
  section.bytes.u32(2).u16(0);                                        // no room for an id
  section.fde(cie, code_start, 0x20);
  CHECK(read(section.bytes) == Read{{{code_start, 0x20}}, 6, 0});
  section.bytes.u32(100).u32(7);
  CHECK(read(section.bytes) == Read{{{code_start, 0x20}}, 6, 8});
}

TEST_CASE("cfi: bytes cut off anywhere", "[unwind]") {
  Section section(address);
  CieFields fields;
  fields.letters = "zPLR";
  fields.augmentation = Bytes{0x9b, 1, 2, 3, 4, 0x1b, 0x1b};
  const std::size_t cie = section.cie(fields);
  section.fde(cie, code_start, 0x20, {0x41, 0x0e, 16});
  for (std::size_t size = 0; size < section.bytes.size(); ++size) {
    // A copy of its own size: the address sanitizer sees a read past its end.
    const Bytes cut(section.bytes.begin(),
                    section.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(read(cut).functions.empty());
    CHECK(read(cut, Format::debug_frame).functions.empty());
  }
}

TEST_CASE("cfi: ranges past the end of the address space", "[unwind]") {
  CieFields fields;
  fields.augmentation = {0x00};
  Section section(address);
  const std::size_t cie = section.cie(fields);
  section.raw_fde(cie, Bytes().u64(code_start).u64(~0ULL).u8(0));
  CHECK(read(section.bytes) == Read{{}, 1, 0});
}
