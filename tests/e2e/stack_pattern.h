// SPDX-License-Identifier: Apache-2.0
// The chains of functions that the unwind_* programs announce (tests/programs/unwind_case.h), and
// whether a stack is one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace leakbpf::e2e {

/// A stack of a snapshot, without inlined calls: they are part of the frame they lie in.
struct Stack {
  struct Frame {
    std::string function; ///< without parameters and marks of clones; empty: unknown
    std::string module;   ///< file name; empty: unknown
  };
  std::vector<Frame> frames; ///< on the stack: none that was inlined or has ended in a call
  std::string note;          ///< why it is not whole; empty: it is

  [[nodiscard]] std::string text() const;
};

Stack stack_of(const nlohmann::json& site);

/// One line of a program: "expect CASE size=BYTES: CHAIN".
struct Expectation {
  enum class Kind { whole, may_stop, perhaps };

  Kind kind = Kind::whole;
  std::string name;
  std::size_t size = 0;
  std::vector<std::string> chain;
  std::string line;

  [[nodiscard]] bool matches(const Stack& stack) const;
};

/// Nothing when `line` is none.
std::optional<Expectation> parse_expectation(const std::string& line);

} // namespace leakbpf::e2e
