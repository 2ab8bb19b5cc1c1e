// SPDX-License-Identifier: Apache-2.0
// The program that `leakbpf demo` traces: a small server loop. Rendering churns through memory, the
// price cache fills and stays, and the session log is the leak: nothing is ever taken out of it.
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

struct Session {
  Session* next;
  std::array<char, 4000> trace;
};

struct Price {
  std::array<char, 512> text;
};

[[gnu::noinline]] void render_page(unsigned request) {
  for (std::size_t part = 0; part < 8; part++) {
    void* text = std::malloc(200 + 100 * part);
    std::memset(text, static_cast<int>(request), 200);
    asm volatile("" : : "r"(text) : "memory"); // the compiler may not do without the block
    std::free(text);
  }
}

[[gnu::noinline]] Price* price_of(unsigned request) {
  static std::array<Price*, 256> cache{};
  Price*& slot = cache.at(request % cache.size());
  if (!slot)
    slot = static_cast<Price*>(std::calloc(1, sizeof(Price)));
  return slot;
}

[[gnu::noinline]] void remember_session(Session*& log, unsigned request) {
  auto* session = static_cast<Session*>(std::malloc(sizeof(Session)));
  session->trace.fill(static_cast<char>(request));
  session->next = log;
  log = session;
}

[[gnu::noinline]] void serve(Session*& log, unsigned request) {
  render_page(request);
  price_of(request)->text[0] = 1;
  if (request % 4 == 0)
    remember_session(log, request);
}

} // namespace

int main() {
  Session* log = nullptr;
  for (unsigned request = 0; request < 600'000; request++) { // ten minutes, should no one end it
    serve(log, request);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}
