// SPDX-License-Identifier: Apache-2.0
// The coroutines of C++20: they run on the stack of whoever resumes them.
#include "unwind_case.h"

#include <coroutine>
#include <exception>
#include <utility>

extern "C" NOINLINE void coroutine_leaf(size_t size) {
  kept = malloc(size);
}

namespace {

struct Task {
  struct promise_type {
    std::coroutine_handle<> waiting = std::noop_coroutine();

    Task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
      struct GoOn {
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
          return done.promise().waiting;
        }
        void await_resume() noexcept {}
      };
      return GoOn{};
    }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };

  // The awaited task runs in place of the one that awaits it, which is not on the stack meanwhile.
  bool await_ready() noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
    handle.promise().waiting = waiting;
    return handle;
  }
  void await_resume() noexcept {}

  std::coroutine_handle<promise_type> handle;
};

} // namespace

NOINLINE Task simple_coroutine(size_t size) {
  coroutine_leaf(size);
  NOT_THE_END();
  co_return;
}

NOINLINE Task stopping_coroutine(size_t size) {
  char room[64];
  __asm__ volatile("" ::"r"(room) : "memory");
  co_await std::suspend_always{};
  coroutine_leaf(size);
  NOT_THE_END();
}

NOINLINE Task awaited_coroutine(size_t size) {
  coroutine_leaf(size);
  NOT_THE_END();
  co_return;
}

NOINLINE Task awaiting_coroutine(size_t size) {
  co_await awaited_coroutine(size);
  NOT_THE_END();
}

extern "C" {

NOINLINE void resume(std::coroutine_handle<> handle) {
  handle.resume();
  NOT_THE_END();
}

NOINLINE void case_coroutine(size_t size) {
  resume(simple_coroutine(size).handle);
  NOT_THE_END();
}

NOINLINE void case_resumed(size_t size) {
  const Task task = stopping_coroutine(size);
  resume(task.handle);
  resume(task.handle);
  NOT_THE_END();
}

NOINLINE void case_awaited(size_t size) {
  resume(awaiting_coroutine(size).handle);
  NOT_THE_END();
}
}

int main() {
  static const unwind_case cases[] = {
      {"coroutine", 21001, case_coroutine,
       "coroutine_leaf simple_coroutine resume case_coroutine " FROM_MAIN},
      {"resumed", 21002, case_resumed,
       "coroutine_leaf stopping_coroutine resume case_resumed " FROM_MAIN},
      {"awaited", 21003, case_awaited,
       "coroutine_leaf awaited_coroutine resume case_awaited " FROM_MAIN},
  };
  expect_all(cases, COUNT_OF(cases));
  begin();
  for (const unwind_case& one : cases)
    one.run(one.size);
  finish();
}
