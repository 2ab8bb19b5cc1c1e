// SPDX-License-Identifier: Apache-2.0
#include "core/pattern.h"

#include <algorithm>

#include <fmt/format.h>
#include <re2/re2.h>

namespace leakbpf {

namespace {

// For the compiled pattern and what is remembered while matching. What a person types takes some
// kilobytes; the limit is for (x{1000}){1000}.
constexpr std::int64_t most_bytes = 4 << 20;

re2::RE2::Options options_for(re2::RE2::Options::Encoding encoding) {
  re2::RE2::Options options;
  options.set_encoding(encoding);
  options.set_max_mem(most_bytes);
  options.set_log_errors(false); // only main prints
  options.set_never_capture(true);
  options.set_dot_nl(true); // a script in a command line has many lines
  return options;
}

bool has_bytes_beyond_ascii(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char byte) { return static_cast<unsigned char>(byte) >= 0x80; });
}

std::string shortened(const std::string& text) {
  constexpr std::size_t most_shown = 60;
  return text.size() > most_shown ? text.substr(0, most_shown) + "..." : text;
}

/// RE2's own words are "missing ): (a" and the like: the pattern is said already.
std::string reason(const re2::RE2& pattern) {
  switch (pattern.error_code()) {
  case re2::RE2::ErrorPatternTooLarge:
    return "it is too large";
  case re2::RE2::ErrorMissingParen:
    return "missing )";
  case re2::RE2::ErrorMissingBracket:
    return "missing ]";
  case re2::RE2::ErrorBadUTF8:
    return "it is not UTF-8";
  default:
    break;
  }
  const std::string& text = pattern.error();
  const std::string what = text.substr(0, text.find(": "));
  return what == "invalid perl operator"
             ? "look-ahead, look-behind and other (?...) of Perl are not supported (RE2 syntax)"
             : what;
}

} // namespace

struct Pattern::Compiled {
  re2::RE2 characters;
  re2::RE2 bytes;

  explicit Compiled(const std::string& text)
      : characters(text, options_for(re2::RE2::Options::EncodingUTF8)),
        bytes(text, options_for(re2::RE2::Options::EncodingLatin1)) {}
};

Pattern::Pattern(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
Pattern::Pattern(Pattern&& other) noexcept = default;
Pattern& Pattern::operator=(Pattern&& other) noexcept = default;
Pattern::~Pattern() = default;

Result<Pattern> Pattern::compile(const std::string& text) {
  auto compiled = std::make_unique<Compiled>(text);
  for (const re2::RE2* each : {&compiled->characters, &compiled->bytes})
    if (!each->ok())
      return Error{
          ExitCode::usage,
          fmt::format("{} is not a regular expression: {}", shortened(text), reason(*each)), ""};
  return Pattern(std::move(compiled));
}

bool Pattern::is_in(std::string_view text) const {
  const re2::StringPiece piece(text.data(), text.size());
  if (re2::RE2::PartialMatch(piece, compiled_->characters))
    return true;
  return has_bytes_beyond_ascii(text) && re2::RE2::PartialMatch(piece, compiled_->bytes);
}

} // namespace leakbpf
