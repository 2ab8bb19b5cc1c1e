// SPDX-License-Identifier: Apache-2.0
// Allocations while an exception is on its way, and through the runtimes of C++.
#include "unwind_case.h"

#include <exception>
#include <functional>
#include <mutex>
#include <new>

#include <unwind.h>

namespace {

constexpr std::size_t exception_header = 128; // of __cxa_allocate_exception
std::size_t block_size;
std::exception_ptr kept_exception;

template <std::size_t size> struct Sized { char bytes[size]; };

} // namespace

extern "C" {

NOINLINE void exception_leaf(size_t size) {
  kept = malloc(size);
}

NOINLINE void thrower(size_t size) {
  if (size)
    throw static_cast<int>(size);
}

NOINLINE void throwing_caller(size_t size) {
  thrower(size);
  NOT_THE_END();
}

NOINLINE void guard_ends() {
  exception_leaf(block_size);
  NOT_THE_END();
}
}

namespace {
struct Guard {
  ~Guard() {
    if (block_size)
      guard_ends();
    NOT_THE_END();
  }
};
} // namespace

extern "C" {

NOINLINE void guarded(size_t size) { // its guard ends in a landing pad
  const Guard guard;
  throwing_caller(size);
}

NOINLINE void case_landing_pad(size_t size) {
  block_size = size;
  try {
    guarded(size);
  } catch (int) {
    block_size = 0;
  }
  NOT_THE_END();
}

NOINLINE void case_catch_block(size_t size) {
  try {
    throwing_caller(size);
  } catch (int) {
    exception_leaf(size);
    NOT_THE_END();
  }
}

// While a second exception of the same thread is handled.
NOINLINE void case_nested_catch(size_t size) {
  try {
    throwing_caller(size);
  } catch (int) {
    try {
      throwing_caller(size + 1);
    } catch (int) {
      exception_leaf(size);
      NOT_THE_END();
    }
  }
}

NOINLINE void sized_thrower() {
  throw Sized<18004 - exception_header>{};
}

NOINLINE void case_exception_object(size_t /*size*/) {
  try {
    sized_thrower();
  } catch (...) {
    kept_exception = std::current_exception();
  }
}

NOINLINE _Unwind_Reason_Code trace_callback(_Unwind_Context* /*context*/, void* size) {
  exception_leaf(*static_cast<size_t*>(size));
  NOT_THE_END();
  return _URC_END_OF_STACK;
}

NOINLINE void case_through_libgcc(size_t size) {
  _Unwind_Backtrace(trace_callback, &size);
  NOT_THE_END();
}

NOINLINE void case_operator_new(size_t size) {
  kept = ::operator new(size);
}

NOINLINE void case_operator_new_aligned(size_t size) {
  kept = ::operator new (size, std::align_val_t{64});
}

NOINLINE void once_leaf(size_t size) {
  exception_leaf(size);
  NOT_THE_END();
}

NOINLINE void case_call_once(size_t size) {
  static std::once_flag flag;
  std::call_once(flag, once_leaf, size);
  NOT_THE_END();
}
}

namespace {

struct Shape {
  virtual ~Shape() = default;
  virtual void draw(size_t size) const = 0;
};

struct Circle final : Shape {
  NOINLINE void draw(size_t size) const override {
    exception_leaf(size);
    NOT_THE_END();
  }
};

const Shape* volatile shape;

} // namespace

extern "C" NOINLINE void case_virtual(size_t size) {
  shape->draw(size);
  NOT_THE_END();
}

int main() {
  static const unwind_case cases[] = {
      {"landing-pad", 18001, case_landing_pad,
       "exception_leaf guard_ends guarded case_landing_pad " FROM_MAIN},
      {"catch-block", 18002, case_catch_block, "exception_leaf case_catch_block " FROM_MAIN},
      {"nested-catch", 18003, case_nested_catch, "exception_leaf case_nested_catch " FROM_MAIN},
      {"exception-object", 18004, case_exception_object,
       "<libstdc++.so.6*> sized_thrower case_exception_object " FROM_MAIN},
      {"through-libgcc", 18005, case_through_libgcc,
       "exception_leaf trace_callback <libgcc_s.so.1> case_through_libgcc " FROM_MAIN},
      {"operator-new", 18006, case_operator_new,
       "<libstdc++.so.6*>{1} case_operator_new " FROM_MAIN},
      {"operator-new-aligned", 18048, case_operator_new_aligned,
       "<libstdc++.so.6*>{1} case_operator_new_aligned " FROM_MAIN},
      {"call-once", 18007, case_call_once,
       "exception_leaf once_leaf * <libc.so.6> case_call_once " FROM_MAIN},
      {"virtual", 18008, case_virtual, "exception_leaf Circle::draw case_virtual " FROM_MAIN},
  };
  const Circle circle;
  shape = &circle;
  expect_all(cases, COUNT_OF(cases));
  begin();
  for (const unwind_case& one : cases)
    one.run(one.size);
  finish();
}
