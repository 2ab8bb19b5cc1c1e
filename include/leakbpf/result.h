// SPDX-License-Identifier: Apache-2.0
// One error type for the whole library: what failed, why, and what the user can do next.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace leakbpf {

/// Process exit codes; scripts depend on the values.
enum class ExitCode : int {
  ok = 0,
  leak_found = 1,
  usage = 2,
  cannot_trace = 3,
  no_target = 4,
  target_ended = 5,
  io = 6,
};

/// A failure as the user will read it. `message` is one sentence without a final full stop;
/// `hint` is empty when nothing can be done.
struct Error {
  ExitCode code = ExitCode::cannot_trace;
  std::string message;
  std::string hint;
  int system_error = 0; ///< errno, where the caller does something about it

  /// The same failure seen one layer further out: "WHAT: message".
  [[nodiscard]] Error in(const std::string& what) const {
    return Error{code, what + ": " + message, hint, system_error};
  }
};

/// A value, or the Error that kept it from being made. Both constructors are implicit, so that
/// `return value;` and `return Error{...};` read the same.
template <class T> class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}     // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {} // NOLINT

  [[nodiscard]] explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  /// Only valid when the result holds no value.
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <> class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {} // NOLINT
  [[nodiscard]] explicit operator bool() const { return !failed_; }
  [[nodiscard]] const Error& error() const { return error_; }

private:
  Error error_;
  bool failed_ = false;
};

} // namespace leakbpf
