// SPDX-License-Identifier: Apache-2.0
#include "core/culprit.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

const std::string kApp = "/srv/app/shop";
const std::string kLibc = "/usr/lib/x86_64-linux-gnu/libc.so.6";
const std::string kLibstdcxx = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6";

Frame frame(const std::string& function, const std::string& module = kApp) {
  Frame made;
  made.function = function;
  made.module = module;
  return made;
}

Frame note(const std::string& text) {
  Frame made;
  made.kind = FrameKind::note;
  made.function = text;
  return made;
}

TEST_CASE("in C the culprit is the caller of the allocator", "[culprit]") {
  CHECK(find_culprit({frame("cache_put"), frame("main"), frame("__libc_start_main", kLibc)}) == 0);
  CHECK(find_culprit({frame("strdup", kLibc), frame("cache_put"), frame("main")}) == 1);
  CHECK(find_culprit({frame("", kLibc), frame("fopen", kLibc), frame("read_config")}) == 2);
}

TEST_CASE("well-known wrappers of malloc are passed over", "[culprit]") {
  CHECK(find_culprit({frame("zmalloc"), frame("dictAddRaw"), frame("hsetCommand")}) == 1);
  CHECK(find_culprit({frame("palloc0"), frame("makeNode"), frame("exec_simple_query")}) == 1);
  CHECK(find_culprit({frame("zmap_insert"), frame("main")}) == 0);
}

TEST_CASE("in C++ operator new and the standard library are passed over", "[culprit]") {
  CHECK(find_culprit({frame("operator new(unsigned long)", kLibstdcxx),
                      frame("std::__new_allocator<Item>::allocate(unsigned long, void const*)"),
                      frame("std::vector<Item>::push_back(Item const&)"),
                      frame("Cart::add(Item const&)"), frame("main")}) == 3);
  CHECK(find_culprit({frame("operator new[](unsigned long)"), frame("__gnu_cxx::f()"),
                      frame("app::(anonymous namespace)::load(int)")}) == 2);
}

TEST_CASE("a template's return type is not its name", "[culprit]") {
  SECTION("one of the standard library") {
    for (const std::string function :
         {"void std::vector<int, std::allocator<int> >::_M_realloc_insert<int const&>(int const&)",
          "unsigned long std::__detail::f<app::X>(app::X)",
          "std::pair<app::A, bool> std::map<int, app::A>::emplace<int>(int&&)",
          "std::ostream& std::operator<< <std::char_traits<char> >(std::ostream&, char const*)"}) {
      CAPTURE(function);
      CHECK(find_culprit({frame(function), frame("Cart::add")}) == 1);
    }
  }
  SECTION("one of the application") {
    for (const std::string function :
         {"std::unique_ptr<Item> app::make<Item>(int)", "void app::each<std::vector<int> >()",
          "std::string app::(anonymous namespace)::join<int>(int)",
          "app::X::operator std::string<char>() const", "app::f(std::vector<int>) [clone .cold]",
          "decltype (std::declval<int>()) app::g<int>()"}) {
      CAPTURE(function);
      CHECK(find_culprit({frame(function), frame("Cart::add")}) == 0);
    }
  }
}

TEST_CASE("in Rust the runtime's crates are passed over", "[culprit]") {
  CHECK(find_culprit({frame("<tikv_jemallocator::Jemalloc as core::alloc::GlobalAlloc>::alloc"),
                      frame("__rg_alloc"), frame("alloc::alloc::alloc"), frame("load")}) == 3);
  CHECK(find_culprit({frame("__rust_alloc"), frame("alloc::alloc::alloc"),
                      frame("<alloc::vec::Vec<T> as core::clone::Clone>::clone"),
                      frame("core::ops::function::FnOnce::call_once"), frame("std::thread::spawn"),
                      frame("hashbrown::raw::RawTable<T>::reserve"),
                      frame("<shop::Cart as shop::Store>::add"), frame("shop::main")}) == 6);
}

TEST_CASE("when all is runtime, the innermost named frame is the culprit", "[culprit]") {
  CHECK(find_culprit({frame("", kLibc), frame("qsort", kLibc), frame("fopen", kLibc)}) == 1);
  CHECK(find_culprit({frame("", kLibc), frame("", kLibc)}) == 0);
}

TEST_CASE("a nameless frame of the application comes before a named one of the runtime",
          "[culprit]") {
  CHECK(find_culprit({frame("strdup", kLibc), frame("", kApp), frame("start", kLibc)}) == 1);
}

TEST_CASE("notes are never the culprit", "[culprit]") {
  CHECK(find_culprit({note("stack not recorded")}) == 0);
  CHECK(find_culprit({note("cut off"), frame("strdup", kLibc), frame("load")}) == 2);
  CHECK(find_culprit({}) == 0);
}

TEST_CASE("a runtime's file is known by its whole name", "[culprit]") {
  for (const std::string module :
       {"/lib/libc.so.6", "/lib/libc-2.31.so", "/lib/libc.musl-x86_64.so.1", "/lib/libc++.so.1",
        "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1", "/lib/libjemalloc.so.2",
        "/lib/libtcmalloc_minimal.so.4", "[vdso]"}) {
    CAPTURE(module);
    CHECK(find_culprit({frame("f", module), frame("load")}) == 1);
  }
  for (const std::string module : {"/lib/libcrypto.so.3", "/lib/libcurl.so.4", "/lib/libmagic.so.1",
                                   "/srv/libc/tool", "/lib/libstdc++helper.so"}) {
    CAPTURE(module);
    CHECK(find_culprit({frame("f", module), frame("load")}) == 0);
  }
}

TEST_CASE("a frame is described as far as it is known", "[culprit]") {
  Frame known = frame("Cart::add");
  CHECK(describe_frame(known) == "Cart::add (shop)");
  known.offset = 0x1234;
  CHECK(describe_frame(known) == "Cart::add (shop)");
  known.file = "/src/shop/cart.cpp";
  CHECK(describe_frame(known) == "Cart::add at cart.cpp");
  known.line = 42;
  CHECK(describe_frame(known) == "Cart::add at cart.cpp:42");
  known.function.clear();
  CHECK(describe_frame(known) == "shop+0x1234");
  CHECK(describe_frame(frame("", "[heap]")) == "[heap]");
  CHECK(describe_frame(Frame{}) == "[unknown]");
  CHECK(describe_frame(note("stack not recorded")) == "[stack not recorded]");
}

TEST_CASE("a base name is the last part of a path", "[culprit]") {
  CHECK(base_name("/usr/lib/libc.so.6") == "libc.so.6");
  CHECK(base_name("app") == "app");
  CHECK(base_name("") == "");
  CHECK(base_name("/srv/") == "");
}

} // namespace
} // namespace leakbpf

TEST_CASE("functions are named without parameters and anonymous namespaces", "[culprit]") {
  CHECK(leakbpf::short_function("main") == "main");
  CHECK(leakbpf::short_function("(anonymous namespace)::remember(Log*&, unsigned int)") ==
        "remember");
  CHECK(leakbpf::short_function("shop::Cart::add(std::function<void (int)>) const") ==
        "shop::Cart::add");
  CHECK(leakbpf::short_function("shop::Less::operator()(int, int)") == "shop::Less::operator()");
  CHECK(leakbpf::short_function("a::(anonymous namespace)::b()") == "a::b");
  CHECK(leakbpf::short_function("unbalanced)") == "unbalanced)");
}
