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

Frame frame_in(const std::string& function, const std::string& module = kApp) {
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
  CHECK(find_culprit(
            {frame_in("cache_put"), frame_in("main"), frame_in("__libc_start_main", kLibc)}) == 0);
  CHECK(find_culprit({frame_in("strdup", kLibc), frame_in("cache_put"), frame_in("main")}) == 1);
  CHECK(find_culprit({frame_in("", kLibc), frame_in("fopen", kLibc), frame_in("read_config")}) ==
        2);
}

TEST_CASE("well-known wrappers of malloc are passed over", "[culprit]") {
  CHECK(find_culprit({frame_in("zmalloc"), frame_in("dictAddRaw"), frame_in("hsetCommand")}) == 1);
  CHECK(find_culprit({frame_in("palloc0"), frame_in("makeNode"), frame_in("exec_simple_query")}) ==
        1);
  CHECK(find_culprit({frame_in("zmap_insert"), frame_in("main")}) == 0);
}

TEST_CASE("in C++ operator new and the standard library are passed over", "[culprit]") {
  CHECK(find_culprit({frame_in("operator new(unsigned long)", kLibstdcxx),
                      frame_in("std::__new_allocator<Item>::allocate(unsigned long, void const*)"),
                      frame_in("std::vector<Item>::push_back(Item const&)"),
                      frame_in("Cart::add(Item const&)"), frame_in("main")}) == 3);
  CHECK(find_culprit({frame_in("operator new[](unsigned long)"), frame_in("__gnu_cxx::f()"),
                      frame_in("app::(anonymous namespace)::load(int)")}) == 2);
}

TEST_CASE("a template's return type is not its name", "[culprit]") {
  SECTION("one of the standard library") {
    for (const std::string function :
         {"void std::vector<int, std::allocator<int> >::_M_realloc_insert<int const&>(int const&)",
          "unsigned long std::__detail::f<app::X>(app::X)",
          "std::pair<app::A, bool> std::map<int, app::A>::emplace<int>(int&&)",
          "std::ostream& std::operator<< <std::char_traits<char> >(std::ostream&, char const*)"}) {
      CAPTURE(function);
      CHECK(find_culprit({frame_in(function), frame_in("Cart::add")}) == 1);
    }
  }
  SECTION("one of the application") {
    for (const std::string function :
         {"std::unique_ptr<Item> app::make<Item>(int)", "void app::each<std::vector<int> >()",
          "std::string app::(anonymous namespace)::join<int>(int)",
          "app::X::operator std::string<char>() const", "app::f(std::vector<int>) [clone .cold]",
          "decltype (std::declval<int>()) app::g<int>()"}) {
      CAPTURE(function);
      CHECK(find_culprit({frame_in(function), frame_in("Cart::add")}) == 0);
    }
  }
}

TEST_CASE("in Rust the runtime's crates are passed over", "[culprit]") {
  CHECK(find_culprit({frame_in("<tikv_jemallocator::Jemalloc as core::alloc::GlobalAlloc>::alloc"),
                      frame_in("__rg_alloc"), frame_in("alloc::alloc::alloc"), frame_in("load")}) ==
        3);
  CHECK(find_culprit({frame_in("__rust_alloc"), frame_in("alloc::alloc::alloc"),
                      frame_in("<alloc::vec::Vec<T> as core::clone::Clone>::clone"),
                      frame_in("core::ops::function::FnOnce::call_once"),
                      frame_in("std::thread::spawn"),
                      frame_in("hashbrown::raw::RawTable<T>::reserve"),
                      frame_in("<shop::Cart as shop::Store>::add"), frame_in("shop::main")}) == 6);
}

TEST_CASE("when all is runtime, the innermost named frame is the culprit", "[culprit]") {
  CHECK(find_culprit({frame_in("", kLibc), frame_in("qsort", kLibc), frame_in("fopen", kLibc)}) ==
        1);
  CHECK(find_culprit({frame_in("", kLibc), frame_in("", kLibc)}) == 0);
}

TEST_CASE("a nameless frame of the application comes before a named one of the runtime",
          "[culprit]") {
  CHECK(find_culprit({frame_in("strdup", kLibc), frame_in("", kApp), frame_in("start", kLibc)}) ==
        1);
}

TEST_CASE("notes are never the culprit", "[culprit]") {
  CHECK(find_culprit({note("stack not recorded")}) == 0);
  CHECK(find_culprit({note("cut off"), frame_in("strdup", kLibc), frame_in("load")}) == 2);
  CHECK(find_culprit({}) == 0);
}

TEST_CASE("a runtime's file is known by its whole name", "[culprit]") {
  for (const std::string module :
       {"/lib/libc.so.6", "/lib/libc-2.31.so", "/lib/libc.musl-x86_64.so.1", "/lib/libc++.so.1",
        "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1", "/lib/libjemalloc.so.2",
        "/lib/libtcmalloc_minimal.so.4", "[vdso]"}) {
    CAPTURE(module);
    CHECK(find_culprit({frame_in("f", module), frame_in("load")}) == 1);
  }
  for (const std::string module : {"/opt/libcrypto.so.3", "/opt/libcurl.so.4", "/opt/libmagic.so.1",
                                   "/srv/libc/tool", "/opt/libstdc++helper.so"}) {
    CAPTURE(module);
    CHECK(find_culprit({frame_in("f", module), frame_in("load")}) == 0);
  }
}

TEST_CASE("an application's own code is no runtime, however it is called", "[culprit]") {
  for (const std::string function :
       {"core::SessionStore::remember(int)", "reallocate_rows", "malloc_stats_page", "callocator",
        "alloc::Pool::take(unsigned long) const", "strdup_all"}) {
    CAPTURE(function);
    CHECK(find_culprit({frame_in(function), frame_in("serve"), frame_in("main")}) == 0);
  }
  Frame in_rust = frame_in("core::ops::function::FnOnce::call_once");
  in_rust.file = "/rustc/9fc6b43126469e3858e2fe86cafb4f0fd5068869/library/core/src/ops/function.rs";
  CHECK(find_culprit({in_rust, frame_in("shop::serve")}) == 1);
  Frame in_shop = frame_in("core::remember");
  in_shop.file = "/src/shop/core/session.c";
  CHECK(find_culprit({in_shop, frame_in("serve")}) == 0);
}

TEST_CASE("the application's own files come before the system's libraries", "[culprit]") {
  const std::string glib = "/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0";
  const std::string curl = "/usr/lib64/libcurl.so.4";
  CHECK(find_culprit({frame_in("g_slice_alloc", glib), frame_in("g_variant_new", glib),
                      frame_in("make_reply"), frame_in("main")}) == 2);
  CHECK(find_culprit(
            {frame_in("g_slice_alloc", glib), frame_in("", kApp), frame_in("main", kApp)}) == 1);
  CHECK(find_culprit({frame_in("ngx_http_cache", "/usr/lib/nginx/modules/ngx_cache.so"),
                      frame_in("ngx_http_handler", "/usr/sbin/nginx")}) == 0);
  // Of a library alone that which was called, never the program's start.
  CHECK(find_culprit({frame_in("open_buffer", curl), frame_in("curl_easy_perform", curl),
                      frame_in("g_main_loop_run", glib), frame_in("main")}) == 1);
  CHECK(find_culprit({frame_in("strdup", kLibc), frame_in("main")}) == 1);
  CHECK(find_culprit({frame_in("malloc"), frame_in("main"), frame_in("libc_start_main_stage2")}) ==
        1);
}

TEST_CASE("callers are the application's, each once, three at most", "[culprit]") {
  const Frames frames{frame_in("malloc", kLibc), frame_in("add"),          frame_in("walk"),
                      frame_in("walk"),          frame_in("qsort", kLibc), frame_in("sort_all"),
                      frame_in("", kApp),        frame_in("serve"),        frame_in("main")};
  CHECK(find_callers(frames, 1) == std::vector<std::size_t>{2, 5, 7});
  CHECK(find_callers(frames, 7) == std::vector<std::size_t>{8});
  CHECK(find_callers({frame_in("add"), frame_in("main"), frame_in("libc_start_main_stage2")}, 0) ==
        std::vector<std::size_t>{1});
  CHECK(find_callers(frames, 8).empty());
  CHECK(find_callers({}, 0).empty());
}

TEST_CASE("a frame is described as far as it is known", "[culprit]") {
  Frame known = frame_in("Cart::add");
  CHECK(describe_frame(known) == "Cart::add (shop)");
  known.offset = 0x1234;
  CHECK(describe_frame(known) == "Cart::add (shop)");
  CHECK(describe_place(known) == "Cart::add (shop)");
  Frame start = frame_in("main");
  start.offset = 0x1234;
  CHECK(describe_place(start) == "main (shop+0x1234)");
  known.file = "/src/shop/cart.cpp";
  CHECK(describe_frame(known) == "Cart::add at cart.cpp");
  known.line = 42;
  CHECK(describe_frame(known) == "Cart::add at cart.cpp:42");
  known.function.clear();
  CHECK(describe_frame(known) == "shop+0x1234");
  CHECK(describe_frame(frame_in("", "[heap]")) == "[heap]");
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

TEST_CASE("a long name is shortened to what tells functions apart", "[culprit]") {
  using leakbpf::readable_function;
  CHECK(readable_function("walk(Tree*) [clone .cold]") == "walk");
  CHECK(readable_function("walk.constprop.0") == "walk");
  CHECK(readable_function("walk.part.0.cold") == "walk");
  CHECK(readable_function("main.coldStart") == "main.coldStart");
  CHECK(readable_function("shop::Cart<Item>::add(Item const&)") == "shop::Cart<Item>::add");
  const std::string sum = "Sum<" + std::string(3000, 'x') + "<int>, Sum<a, (b)0> >";
  CHECK(readable_function("double Evaluator<" + sum + ">::evaluate_into_cache(int) const") ==
        "Evaluator<...>::evaluate_into_cache");
  CHECK(readable_function("bool less::operator< <" + sum + " >(int)") == "less::operator< <...>");
  CHECK(readable_function("a::operator->" + std::string(90, 'y')).starts_with("..."));
  const std::string deep = readable_function(std::string(100, 'n') + "::take");
  CHECK(deep.ends_with("nnn::take"));
  CHECK(deep.size() == 80);
  for (const std::string odd : {"<<<<", ">>>", "(((", ")", "", "<", "->", "operator<"})
    CHECK(readable_function(odd + std::string(100, '<')).size() <= 200);
}
