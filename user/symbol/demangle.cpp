// SPDX-License-Identifier: Apache-2.0
// Demangling of names that others chose. A short hostile name can stand for output without end, so
// the demanglers of libiberty write through a callback that stops at a limit (abi::__cxa_demangle
// is the same code without one).
#include "symbol/module.h"

#include <cctype>
#include <csetjmp>
#include <cstddef>
#include <optional>
#include <string_view>

#include <libiberty/demangle.h>

namespace leakbpf {

namespace {

constexpr std::size_t max_mangled = 16384;
constexpr std::size_t max_demangled = 65536;
/// Above libiberty's own limit of about 1,000 bytes, which C++ templates pass; its recursion takes
/// some hundred bytes of stack for each.
constexpr std::size_t max_unlimited_recursion = 4096;

struct Sink {
  std::string text;
  std::jmp_buf overflow;
};

void append(const char* bytes, std::size_t size, void* opaque) {
  auto* sink = static_cast<Sink*>(opaque);
  // The demanglers cannot be told to stop. They keep their state on the stack (but for one small
  // buffer in the case of a Rust identifier outside ASCII), so leaving them in this way is sound.
  if (sink->text.size() + size > max_demangled)
    std::longjmp(sink->overflow, 1);
  sink->text.append(bytes, size);
}

/// A function of its own: it has no local variable that longjmp could leave undefined.
template <class Demangler>
int run_until_overflow(Demangler* demangler, const char* name, int options, Sink* sink) {
  if (setjmp(sink->overflow) != 0)
    return 0;
  return demangler(name, options, append, sink);
}

template <class Demangler>
std::optional<std::string> run(Demangler* demangler, const std::string& name, int options) {
  Sink sink{};
  if (run_until_overflow(demangler, name.c_str(), options, &sink) == 0 || sink.text.empty())
    return std::nullopt;
  return std::move(sink.text);
}

/// Where a Rust v0 name may say "for<'a, 'b, ...>" with more than 62 lifetimes: `G`, two or more
/// base-62 digits, `_`, after the `F` of a function or the `D` of a trait object.
std::vector<std::size_t> long_binders(const std::string& name) {
  std::vector<std::size_t> places;
  for (std::size_t i = 2; i + 1 < name.size(); ++i) {
    if (name[i] != 'G' || (name[i - 1] != 'F' && name[i - 1] != 'D'))
      continue;
    std::size_t end = i + 1;
    while (end < name.size() && std::isalnum(static_cast<unsigned char>(name[end])) != 0)
      ++end;
    if (end - i > 2 && end < name.size() && name[end] == '_')
      places.push_back(i);
  }
  return places;
}

// libiberty counts such lifetimes one by one, up to 2^64, also where it prints nothing. The bytes
// may as well be part of an identifier or of a crate's hash, so two other letters are put in place
// of the G, neither of which is valid in a type: a real binder makes the name invalid; in a hash
// the two results agree; in an identifier they differ exactly where the G belongs.
std::optional<std::string> demangle_rust(const std::string& name) {
  constexpr int options = DMGL_PARAMS | DMGL_ANSI;
  const std::vector<std::size_t> binders = long_binders(name);
  if (binders.empty())
    return run(rust_demangle_callback, name, options);
  std::string first = name;
  std::string second = name;
  for (const std::size_t place : binders) {
    first[place] = 'H';
    second[place] = 'J';
  }
  std::optional<std::string> result = run(rust_demangle_callback, first, options);
  const std::optional<std::string> other = run(rust_demangle_callback, second, options);
  if (!result || !other || result->size() != other->size())
    return std::nullopt;
  for (std::size_t i = 0; i < result->size(); ++i)
    if ((*result)[i] != (*other)[i])
      (*result)[i] = 'G';
  return result;
}

} // namespace

bool is_mangled(std::string_view symbol) {
  const std::string_view prefix = symbol.substr(0, 2);
  return prefix == "_Z" || prefix == "_R";
}

std::string demangle(const std::string& symbol) {
  if (!is_mangled(symbol) || symbol.size() > max_mangled)
    return symbol;
  // Rust's legacy names are C++ names with a hash at the end, so Rust is asked first.
  if (auto rust = demangle_rust(symbol))
    return *std::move(rust);
  if (symbol[1] != 'Z')
    return symbol;
  int options = DMGL_PARAMS | DMGL_ANSI;
  if (symbol.size() <= max_unlimited_recursion)
    options |= DMGL_NO_RECURSE_LIMIT;
  return run(cplus_demangle_v3_callback, symbol, options).value_or(symbol);
}

} // namespace leakbpf
