// SPDX-License-Identifier: Apache-2.0
// Names for places: the test program is its own fixture, so it must be built with -g.
#include "module_fixture.h"
#include "sample/sample.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

using leakbpf::demangle;
using leakbpf::Module;
using leakbpf::SourceFrame;
using namespace leakbpf::module_fixture;

// Symbols whose extents are known: a gap, a function without a size, aliases.
asm(R"(
  .pushsection .text.module_test, "ax", %progbits
  .balign 16
  .globl module_test_sized
  .type module_test_sized, %function
module_test_sized:
  nop
  nop
  .size module_test_sized, . - module_test_sized
  .globl module_test_gap
  .hidden module_test_gap
module_test_gap:
  nop
  .balign 16
  .globl module_test_unsized
  .type module_test_unsized, %function
module_test_unsized:
  nop
  nop
  .balign 16
  .globl __module_test_alias, _module_test_alias
  .type __module_test_alias, %function
  .type module_test_alias, %function
  .type module_test_a, %function
  .weak module_test_alias
  .local module_test_a
__module_test_alias:
module_test_alias:
module_test_a:
  nop
  nop
  .size __module_test_alias, . - __module_test_alias
  .size module_test_alias, . - module_test_alias
  .size module_test_a, . - module_test_a
  .globl module_test_last
  .type module_test_last, %function
module_test_last:
  nop
  .popsection
)");
extern "C" {
extern const char module_test_sized[], module_test_gap[], module_test_unsized[],
    module_test_alias[], module_test_last[];
}

namespace shapes {

/// The address it returns to. What callers do with it keeps the call from being their last act.
[[gnu::noinline]] void* here() {
  void* address = __builtin_return_address(0);
  asm volatile("" : "+r"(address) : : "memory");
  return address;
}

constexpr std::uint32_t innermost_line = __LINE__ + 2;
[[gnu::always_inline]] inline void* innermost() {
  void* address = here();
  asm volatile("" : "+r"(address) : : "memory");
  return address;
}

constexpr std::uint32_t middle_line = __LINE__ + 2;
[[gnu::always_inline]] inline void* middle() {
  void* address = innermost();
  asm volatile("" : "+r"(address) : : "memory");
  return address;
}

constexpr std::uint32_t outer_line = __LINE__ + 2;
[[gnu::noinline]] void* outer(int) {
  void* address = middle();
  asm volatile("" : "+r"(address) : : "memory");
  return address;
}

template <class T> struct Box {
  [[gnu::noinline]] static void* place(T value, const char*) {
    asm volatile("" : : "r"(&value) : "memory");
    void* address = here();
    asm volatile("" : "+r"(address) : : "memory");
    return address;
  }
};

} // namespace shapes

extern "C" {
[[gnu::noinline]] void leakbpf_test_callee() {
  asm volatile("" : : : "memory");
}
void calls_directly();
}

// As a linker lays a call to another function of the same file out, whatever the options.
asm(".text\n.type calls_directly, @function\ncalls_directly:\n"
    "  subq $8, %rsp\n  call leakbpf_test_callee\n  addq $8, %rsp\n  ret\n"
    ".size calls_directly, . - calls_directly\n");

namespace {

std::vector<SourceFrame> resolve_self(const void* address, bool return_address) {
  return open_module("/proc/self/exe").resolve(place_of(address).offset, return_address);
}

std::string name_in_self(const void* address) {
  const auto frames = resolve_self(address, false);
  REQUIRE_FALSE(frames.empty());
  return frames.back().function;
}

bool is_this_file(const std::string& file) {
  return fs::path(file).filename() == fs::path(__FILE__).filename();
}

std::size_t open_descriptors() {
  const fs::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

} // namespace

TEST_CASE("a direct call names the function that it calls", "[symbol]") {
  const Module self = open_module("/proc/self/exe");
  const std::uint64_t begin = place_of(reinterpret_cast<const void*>(&calls_directly)).offset;
  constexpr std::uint64_t most_bytes = 64;
  std::vector<std::string> called;
  for (std::uint64_t at = begin; at < begin + most_bytes; at++)
    if (const auto function = self.called_before(at)) {
      called.push_back(function->frame.function);
      CHECK(self.function_low(function->offset) == function->low);
      CHECK(self.function_low(at) != function->low);
      break; // what follows is another function
    }
  CHECK(called == std::vector<std::string>{"leakbpf_test_callee"});
  CHECK_FALSE(self.called_before(0));
  CHECK_FALSE(self.called_before(~std::uint64_t{0}));
}

TEST_CASE("inlined calls are frames of their own, each with its line", "[symbol]") {
  const auto frames = resolve_self(shapes::outer(1), true);
  REQUIRE(frames.size() == 3);
  const std::array<std::pair<std::string, std::uint32_t>, 3> expected = {{
      {"shapes::innermost()", shapes::innermost_line},
      {"shapes::middle()", shapes::middle_line},
      {"shapes::outer(int)", shapes::outer_line},
  }};
  for (std::size_t i = 0; i < frames.size(); ++i) {
    INFO("frame " << i);
    CHECK(frames[i].function == expected[i].first);
    CHECK(frames[i].line == expected[i].second);
    CHECK(is_this_file(frames[i].file));
    CHECK(frames[i].inlined == (i + 1 < frames.size()));
  }
}

TEST_CASE("a module that rested finds the same as before", "[symbol]") {
  Module module = open_module("/proc/self/exe");
  const std::uint64_t place = place_of(shapes::outer(1)).offset;
  const std::uint64_t other = place_of(shapes::Box<int>::place(1, "")).offset;
  const auto much_later = [] { return std::chrono::steady_clock::now() + std::chrono::hours(24); };
  CHECK_FALSE(module.rest(much_later())); // nothing was asked for yet
  const auto before = module.resolve(place, true);
  REQUIRE(before.size() == 3);
  CHECK_FALSE(module.rest(std::chrono::steady_clock::now())); // it was needed a moment ago
  CHECK(module.rest(much_later()));
  CHECK_FALSE(module.rest(much_later())); // it rests already
  const auto after = module.resolve(place, true);
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(after[i].function == before[i].function);
    CHECK(after[i].file == before[i].file);
    CHECK(after[i].line == before[i].line);
  }
  CHECK(module.rest(much_later()));
  CHECK(module.resolve(other, true).back().function == "shapes::Box<int>::place(int, char const*)");
}

TEST_CASE("overloads and templates are told apart", "[symbol]") {
  const auto of_int = resolve_self(shapes::Box<int>::place(1, ""), true);
  const auto of_array = resolve_self(shapes::Box<std::array<char, 3>>::place({}, ""), true);
  CHECK(of_int.back().function == "shapes::Box<int>::place(int, char const*)");
  CHECK(of_array.back().function == "shapes::Box<std::array<char, 3ul> "
                                    ">::place(std::array<char, 3ul>, char const*)");
}

TEST_CASE("a symbol names only what it covers", "[symbol]") {
  CHECK(name_in_self(module_test_sized) == "module_test_sized");
  CHECK(name_in_self(module_test_sized + 1) == "module_test_sized");
  CHECK(name_in_self(module_test_gap).empty());
}

TEST_CASE("the end of a function is inside it only as a return address", "[symbol]") {
  CHECK(resolve_self(module_test_gap, true).back().function == "module_test_sized");
  CHECK(resolve_self(module_test_gap, false).back().function.empty());
}

TEST_CASE("a function without a size ends at the next symbol, or has no name", "[symbol]") {
  CHECK(name_in_self(module_test_unsized) == "module_test_unsized");
  CHECK(name_in_self(module_test_unsized + 15) == "module_test_unsized");
}

TEST_CASE("of aliases the exported one without underscores is taken", "[symbol]") {
  CHECK(name_in_self(module_test_alias) == "module_test_alias");
}

TEST_CASE("functions of shared libraries", "[symbol]") {
  // By dlsym: a sanitizer's own malloc may stand before the one of libc.
  void* libc = dlopen("libc.so.6", RTLD_LAZY);
  REQUIRE(libc != nullptr);
  const Place place = place_of(dlsym(libc, "malloc"));
  dlclose(libc);
  REQUIRE(place.path != "");
  const Module module = open_module(place.path);
  CHECK(module.resolve(place.offset, false).back().function == "malloc");
  CHECK(module.resolve(place.offset + 4, false).back().function == "malloc");
  CHECK(module.resolve(place.offset, true).back().function != "malloc");
}

TEST_CASE("the vDSO is read from memory", "[symbol]") {
  const auto* image = reinterpret_cast<const char*>(getauxval(AT_SYSINFO_EHDR));
  if (image == nullptr)
    SKIP("this kernel maps no vDSO");
  const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) * 2;
  auto module = Module::open_image(image, size);
  REQUIRE(module);
  CHECK(module->build_id().size() >= 16);
  bool found = false;
  for (std::size_t offset = 0; offset < size && !found; offset += 16)
    found =
        module->resolve(offset, false).back().function.find("clock_gettime") < std::string::npos;
  CHECK(found);
}

TEST_CASE("a file in memory gives the lines that it gives from disk", "[symbol]") {
  const Place target = place_of(sample::target());
  const Place busy = place_of(reinterpret_cast<const void*>(&sample::busy));
  const std::vector<char> image = bytes_of(target.path);
  const auto in_memory = Module::open_image(image.data(), image.size());
  REQUIRE(in_memory);
  const Module on_disk = open_module(target.path);
  CHECK(in_memory->resolve(target.offset, false).back().line - sample::target_line() <= 1);
  bool inlined = false;
  for (std::uint64_t offset = busy.offset; offset < busy.offset + 2000; offset += 5) {
    INFO(offset);
    const auto frames = in_memory->resolve(offset, true);
    const auto expected = on_disk.resolve(offset, true);
    REQUIRE(frames.size() == expected.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
      CHECK(frames[i].function == expected[i].function);
      CHECK(frames[i].line == expected[i].line);
    }
    inlined |= frames.size() > 1;
  }
  CHECK(inlined);
}

TEST_CASE("file offsets outside of every segment have no address and no name", "[symbol]") {
  const Module module = open_module("/proc/self/exe");
  CHECK(module.address_of(~std::uint64_t{0}) == ~std::uint64_t{0});
  const auto frames = module.resolve(~std::uint64_t{0} - 1, true);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].function.empty());
  CHECK(module.resolve(0, true).size() == 1);
}

TEST_CASE("demangling", "[symbol]") {
  const std::array<std::pair<const char*, const char*>, 14> table = {{
      {"_Znwm", "operator new(unsigned long)"},
      {"_ZN3foo3BarC4Ei", "foo::Bar::Bar(int)"},
      {"_ZNSt6vectorIiSaIiEE9push_backERKi",
       "std::vector<int, std::allocator<int> >::push_back(int const&)"},
      {"_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place"},
      {"_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop"
       "17h8f3b2c1d4e5f6a7bE",
       "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop"},
      {"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
      {"_RNvMC7mycrateNtB2_3Bar3new", "<mycrate::Bar>::new"},
      // FG..._ would be a binder with many lifetimes, but is a hash or an identifier here.
      {"_RNvCsFGabcd_7mycrate3foo", "mycrate::foo"},
      {"_RNvC7mycrate9FGpio_set", "mycrate::FGpio_set"},
      {"malloc", "malloc"},
      {"_Z", "_Z"},
      {"_Znwm@garbage", "_Znwm@garbage"},
      {"_ZN", "_ZN"},
      {"", ""},
  }};
  for (const auto& [mangled, expected] : table) {
    INFO(mangled);
    CHECK(demangle(mangled) == expected);
  }
}

TEST_CASE("hostile names are given back, and soon", "[symbol]") {
  // A binder of 62^8 lifetimes where nothing is printed.
  const std::string binder = "_RMIC1aFGzzzzzzzz_EuEu";
  CHECK(demangle(binder) == binder);
  // Each argument is a pair of the one before: 2^40 of them when written out.
  std::string bomb = "_Z1f1AIiiE";
  const std::string digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::string last = std::string("S") + digits[i] + "_";
    bomb += "S_I" + last + last + "E";
  }
  CHECK(demangle(bomb) == bomb);
  const std::string deep = "_Z1f" + std::string(4000, 'P') + "i";
  CHECK_FALSE(demangle(deep).empty());
  const std::string endless(1 << 20, 'P');
  CHECK(demangle("_Z1f" + endless).size() == endless.size() + 4);
}

TEST_CASE("what cannot be opened is an error with its path", "[symbol]") {
  const TemporaryDirectory directory;
  const std::string fifo = directory / "fifo";
  const std::string text = directory / "text";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  write_bytes(text, {'h', 'e', 'l', 'l', 'o'});
  for (const std::string& path : {fifo, text, directory.path(), directory / "missing"}) {
    INFO(path);
    auto module = Module::open(path, "");
    REQUIRE_FALSE(module);
    CHECK(module.error().message.find(path) != std::string::npos);
    CHECK(module.error().code == leakbpf::ExitCode::cannot_trace);
  }
  CHECK_FALSE(Module::open_image(nullptr, 0));
}

TEST_CASE("a file may be unlinked while it is open", "[symbol]") {
  const TemporaryDirectory directory;
  fs::copy_file("/proc/self/exe", directory / "program");
  const std::size_t before = open_descriptors();
  {
    const Module module = open_module(directory / "program");
    fs::remove(directory / "program");
    const auto frames = module.resolve(place_of(shapes::outer(1)).offset, true);
    CHECK(frames.size() == 3);
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("a file that shrinks while it is open gives no names", "[symbol]") {
  const TemporaryDirectory directory;
  const std::uint64_t offset = place_of(shapes::outer(1)).offset;
  for (const bool used_before : {false, true}) {
    const std::string path = directory / (used_before ? "used" : "fresh");
    fs::copy_file("/proc/self/exe", path);
    const Module module = open_module(path);
    if (used_before)
      CHECK(module.resolve(offset, true).size() == 3);
    fs::resize_file(path, 4096);
    const auto frames = module.resolve(offset, true);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].function.empty());
  }
}
