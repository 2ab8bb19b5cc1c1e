// SPDX-License-Identifier: Apache-2.0
// Code objects and strings as they lie in memory, whole, changed and damaged.
#include "fake_memory.h"
#include "python/code_names.h"
#include "python/code_object.h"
#include "python/dead_code.h"

#include <algorithm>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr std::uint64_t code_object_bytes = 0x10000;
constexpr std::uint64_t file_name = 0x20000;
constexpr std::uint64_t function_name = 0x30000;
constexpr std::uint64_t table = 0x40000;

PythonLayout layout_of(std::uint32_t minor) {
  return *python_layout({3, minor});
}

/// A compact str with characters of `width` bytes; ASCII ones have a header of their own.
void put_string(FakeMemory& memory, const PythonLayout& layout, std::uint64_t address,
                const std::vector<std::uint32_t>& characters, std::uint32_t width, bool ascii) {
  memory.fill(address, layout.compact_header);
  memory.put<std::uint64_t>(address + 16, characters.size());
  memory.put<std::uint32_t>(address + 32, width << 2 | 1U << 5 | (ascii ? 1U << 6 : 0U));
  std::uint64_t at = address + (ascii ? layout.ascii_header : layout.compact_header);
  for (const std::uint32_t character : characters) {
    memory.put(at, &character, width);
    at += width;
  }
}

void put_ascii(FakeMemory& memory, const PythonLayout& layout, std::uint64_t address,
               const std::string& text) {
  put_string(memory, layout, address, {text.begin(), text.end()}, 1, true);
}

void put_code(FakeMemory& memory, const PythonLayout& layout) {
  memory.fill(code_object_bytes, 256);
  memory.put<std::uint32_t>(code_object_bytes + layout.code_first_line, 40);
  memory.put(code_object_bytes + layout.code_filename, file_name);
  memory.put(code_object_bytes + layout.name_offset(), function_name);
  memory.put(code_object_bytes + layout.code_line_table, table);
  put_ascii(memory, layout, file_name, "/srv/shop/cart.py");
  put_ascii(memory, layout, function_name, "Cart.remember");
  const std::vector<std::uint8_t> lines{0x80 | 13 << 3 | 7, 4};
  memory.fill(table, 32);
  memory.put<std::uint64_t>(table + 16, lines.size());
  memory.put(table + 32, lines.data(), lines.size());
}

std::uint32_t check_of(const FakeMemory& memory, const PythonLayout& layout,
                       std::uint32_t deaths = 0) {
  return code_checksum(memory, layout, code_object_bytes, deaths).value();
}

} // namespace

TEST_CASE("layouts are known from 3.8 to 3.14", "[python]") {
  for (std::uint32_t minor = 8; minor <= 14; minor++) {
    const auto layout = python_layout({3, minor});
    REQUIRE(layout);
    CHECK(layout->walk.check_words <= LEAKBPF_PYTHON_CHECK_WORDS);
    CHECK(layout->walk.frame_instruction + 8 <= 112);
    CHECK(layout->walk.code_filename == layout->code_filename);
  }
  CHECK_FALSE(python_layout({3, 7}));
  CHECK_FALSE(python_layout({3, 15}));
  CHECK_FALSE(python_layout({2, 7}));
  CHECK_FALSE(python_layout({4, 10}));
}

TEST_CASE("the interpreter's own table of offsets is taken over", "[python]") {
  FakeMemory memory;
  PythonLayout layout = layout_of(13);
  constexpr std::uint64_t runtime = 0x5000;
  CHECK_FALSE(apply_debug_offsets(memory, runtime, layout));
  memory.fill(runtime, 1024);
  memory.put(runtime, "xdebugpy", 8);
  memory.put<std::uint64_t>(runtime + 184, 80);
  memory.put<std::uint64_t>(runtime + 232, 16);
  memory.put<std::uint64_t>(runtime + 240, 8);
  memory.put<std::uint64_t>(runtime + 248, 64);
  memory.put<std::uint64_t>(runtime + 264, 78);
  REQUIRE(apply_debug_offsets(memory, runtime, layout));
  CHECK(layout.walk.state_frame == 80);
  CHECK(layout.walk.frame_previous == 16);
  CHECK(layout.walk.frame_code == 8);
  CHECK(layout.walk.frame_instruction == 64);
  CHECK(layout.walk.frame_boundary == 78);
  SECTION("a frame larger than any known") {
    memory.put<std::uint64_t>(runtime + 264, 1 << 20);
    CHECK_FALSE(apply_debug_offsets(memory, runtime, layout));
  }
  SECTION("a free-threaded build") {
    memory.put<std::uint64_t>(runtime + 16, 1);
    CHECK_FALSE(apply_debug_offsets(memory, runtime, layout));
  }
}

TEST_CASE("strings of every kind become UTF-8", "[python]") {
  for (const std::uint32_t minor : {8U, 11U, 12U, 14U}) {
    FakeMemory memory;
    const PythonLayout layout = layout_of(minor);
    const auto text = [&](const std::vector<std::uint32_t>& characters, std::uint32_t width,
                          bool ascii) {
      put_string(memory, layout, 0x1000, characters, width, ascii);
      return read_string(memory, layout, 0x1000);
    };
    CHECK(text({'c', 'a', 't'}, 1, true) == "cat");
    CHECK(text({'c', 0xE4, 't'}, 1, false) == "c\u00e4t");
    CHECK(text({0x4E2D, 'x'}, 2, false) == "\u4e2dx");
    CHECK(text({0x1F40D, 'x'}, 4, false) == "\U0001F40Dx");
    CHECK(text({0xD800}, 2, false) == "\uFFFD"); // a lone surrogate
    CHECK(text({}, 1, true).value() == "");
    CHECK_FALSE(text({'c'}, 3, false)); // no such width
    put_ascii(memory, layout, 0x1000, "cut off");
    memory.drop(0x1000 + layout.ascii_header + 6, 1);
    CHECK_FALSE(read_string(memory, layout, 0x1000));
    memory.put<std::uint64_t>(0x1000 + 16, ~0ULL); // a length that makes no sense
    CHECK_FALSE(read_string(memory, layout, 0x1000));
  }
}

TEST_CASE("a code object tells file, function and lines", "[python]") {
  for (std::uint32_t minor = 8; minor <= 14; minor++) {
    FakeMemory memory;
    const PythonLayout layout = layout_of(minor);
    put_code(memory, layout);
    const auto found =
        read_code_object(memory, layout, code_object_bytes, check_of(memory, layout), 0);
    REQUIRE(found);
    CHECK(found->file == "/srv/shop/cart.py");
    CHECK(found->function == "Cart.remember");
    CHECK(found->first_line == 40);
    CHECK(found->line_table.size() == 2);
  }
}

TEST_CASE("a code object that is another by now is not taken for the one that was", "[python]") {
  FakeMemory memory;
  const PythonLayout layout = layout_of(11);
  put_code(memory, layout);
  const std::uint32_t check = check_of(memory, layout);
  CHECK_FALSE(read_code_object(memory, layout, code_object_bytes, check + 1, 0));
  CHECK_FALSE(
      read_code_object(memory, layout, code_object_bytes, check, 1)); // one died here meanwhile
  memory.put<std::uint64_t>(code_object_bytes + layout.code_filename, file_name + 64);
  CHECK_FALSE(read_code_object(memory, layout, code_object_bytes, check, 0));
  memory.drop(code_object_bytes, 256);
  CHECK_FALSE(read_code_object(memory, layout, code_object_bytes, check, 0));
}

TEST_CASE("names of code", "[python]") {
  FakeMemory memory;
  const PythonLayout layout = layout_of(11);
  put_code(memory, layout);
  std::uint32_t deaths = 0;
  PythonNames names([&](std::uint32_t, std::uint64_t) { return deaths; });
  const std::uint32_t check = check_of(memory, layout);
  const std::uint32_t number = names.code_of(1, memory, layout, code_object_bytes, check);
  const Frame frame = names.name(number, layout.code_instructions + 4);
  CHECK(frame.kind == FrameKind::python);
  CHECK(frame.function == "Cart.remember");
  CHECK(frame.file == "/srv/shop/cart.py");
  CHECK(frame.line == 42);
  CHECK(names.code_of(1, memory, layout, code_object_bytes, check) == number);

  SECTION("the same code in another process is the same") {
    CHECK(names.code_of(2, memory, layout, code_object_bytes, check) == number);
  }
  SECTION("what is gone has no name, and is counted") {
    memory.drop(code_object_bytes, 256);
    const std::uint32_t gone = names.code_of(3, memory, layout, code_object_bytes, check);
    CHECK(gone != number);
    CHECK(names.name(gone, 0).function.empty());
    CHECK(names.unreadable() == 1);
  }
  SECTION("what died while it was read has no name") {
    PythonNames late([&](std::uint32_t, std::uint64_t) { return deaths++; });
    CHECK(late.name(late.code_of(1, memory, layout, code_object_bytes, check), 0).function.empty());
  }
  SECTION("what died sends its record") {
    leakbpf_dead_code record{};
    record.event.address = code_object_bytes;
    record.event.argument = 77;
    record.filename = file_name;
    record.name = function_name;
    record.line_table = table;
    const auto copy = [&memory](std::uint64_t from, std::uint8_t* to, std::size_t most) {
      for (std::size_t i = 0; i < most; i++)
        if (const auto byte = memory.get<std::uint8_t>(from + i))
          to[i] = *byte;
    };
    copy(code_object_bytes, record.code_bytes, sizeof(record.code_bytes));
    copy(file_name, record.filename_bytes, sizeof(record.filename_bytes));
    copy(function_name, record.name_bytes, sizeof(record.name_bytes));
    copy(table, record.line_table_bytes, sizeof(record.line_table_bytes));
    const FakeMemory nothing;
    SECTION("before a stack comes") {
      names.code_died(4, layout, record);
      CHECK(names.code_of(4, nothing, layout, code_object_bytes, 77) == number);
    }
    SECTION("after a stack came") {
      const std::uint32_t late = names.code_of(4, nothing, layout, code_object_bytes, 77);
      CHECK(names.unreadable() == 1);
      names.code_died(4, layout, record);
      CHECK(names.unreadable() == 0);
      CHECK(names.name(late, layout.code_instructions).function == "Cart.remember");
    }
    SECTION("with a line table too long to be sent whole there are no lines") {
      record.line_table_bytes[17] = 0x10;
      names.code_died(4, layout, record);
      const Frame frame_of_dead =
          names.name(names.code_of(4, nothing, layout, code_object_bytes, 77), 4);
      CHECK(frame_of_dead.function == "Cart.remember");
      CHECK(frame_of_dead.line == 0);
    }
  }
}

TEST_CASE("frames that Python itself does not show", "[python]") {
  FakeMemory memory;
  const PythonLayout layout = layout_of(13);
  put_code(memory, layout);
  memory.put<std::uint32_t>(code_object_bytes + layout.code_first_traceable, 3);
  PythonNames names([](std::uint32_t, std::uint64_t) { return 0U; });
  const auto number = names.code_of(1, memory, layout, code_object_bytes, check_of(memory, layout));
  CHECK(names.is_hidden(number, layout.code_instructions));
  CHECK(names.is_hidden(number, layout.code_instructions + 4));
  CHECK_FALSE(names.is_hidden(number, layout.code_instructions + 6));
}

} // namespace leakbpf
