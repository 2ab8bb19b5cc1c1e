// SPDX-License-Identifier: Apache-2.0
#include "core/frame_text.h"

#include "core/culprit.h"
#include "core/python_file.h"

#include <fmt/format.h>

namespace leakbpf {

std::size_t name_start(std::string_view function) {
  constexpr std::string_view anonymous = "(anonymous namespace)";
  std::size_t start = 0;
  int depth = 0;
  for (std::size_t i = 0; i < function.size(); i++) {
    const std::string_view rest = function.substr(i);
    const char before = i > 0 ? function[i - 1] : ' ';
    if (depth == 0 && (rest.starts_with(" [") ||
                       (rest.starts_with("operator") && (before == ' ' || before == ':'))))
      break;
    if (rest.starts_with(anonymous)) {
      i += anonymous.size() - 1;
      continue;
    }
    const char c = rest.front();
    if (depth == 0 && c == '(')
      break;
    if (c == '<' || c == '(' || c == '{')
      depth++;
    else if ((c == '>' && before != '-') || c == ')' || c == '}')
      depth--;
    else if (c == ' ' && depth == 0)
      start = i + 1;
  }
  return start;
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

namespace {

// A longer name does not fit beside the numbers of its row.
constexpr std::size_t long_name = 80;

/// Without what the compiler calls copies of a function: " [clone .cold]", ".part.0", ".isra.0".
/// Names of Go have dots, too: only what the compiler's words are followed by tells.
std::string_view without_clone(std::string_view name) {
  name = name.substr(0, name.find(" [clone "));
  for (const std::string_view copy : {".cold", ".lto_priv", ".constprop", ".isra", ".part"}) {
    const std::size_t at = name.find(copy);
    if (at != std::string_view::npos &&
        name.find_first_not_of(".0123456789", at + copy.size()) == std::string_view::npos)
      name = name.substr(0, at);
  }
  return name;
}

std::string_view without_parameters(std::string_view name) {
  std::string_view rest = name;
  for (const std::string_view suffix : {" const", " &", " &&"})
    if (rest.ends_with(suffix))
      rest.remove_suffix(suffix.size());
  if (!rest.ends_with(')'))
    return name;
  std::size_t depth = 0;
  for (std::size_t at = rest.size(); at-- > 0;) {
    depth += rest[at] == ')' ? 1 : 0;
    depth -= rest[at] == '(' ? 1 : 0;
    // "operator()()" keeps the pair that is its name.
    if (depth == 0)
      return at > 0 ? name.substr(0, at) : name;
  }
  return name;
}

/// "Evaluator<...>::evaluate": what is in the outermost brackets of a template is left out.
/// Brackets of operators and arrows are none.
std::string without_arguments(std::string_view name) {
  std::string text;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < name.size(); i++) {
    const char c = name[i];
    const bool opens = c == '<' && !text.ends_with("operator") && !text.ends_with("operator<");
    const bool closes = c == '>' && depth > 0 && (i == 0 || name[i - 1] != '-');
    if (opens && depth++ == 0)
      text += "<...>";
    else if (closes)
      depth--;
    else if (depth == 0)
      text += c;
  }
  return depth == 0 ? text : std::string(name);
}

} // namespace

std::string short_function(const std::string& name) {
  constexpr std::string_view anonymous = "(anonymous namespace)::";
  std::string text = name;
  for (std::size_t at = 0; (at = text.find(anonymous)) != std::string::npos;)
    text.erase(at, anonymous.size());
  return std::string(without_parameters(text));
}

std::string readable_function(const std::string& name) {
  std::string text = short_function(std::string(without_clone(name)));
  if (text.size() <= long_name)
    return text;
  text = without_arguments(text);
  text.erase(0, name_start(text)); // a return type
  // The function's own name stands at its end.
  return text.size() <= long_name ? text : "..." + text.substr(text.size() - long_name + 3);
}

namespace {

std::string describe_python_frame(const Frame& frame) {
  if (frame.file.empty())
    return "[Python code that is gone]";
  const std::string_view file = short_python_path(frame.file);
  if (frame.line == 0)
    return fmt::format("{} at {}", frame.function, file);
  return fmt::format("{} at {}:{}", frame.function, file, frame.line);
}

} // namespace

std::string_view frame_remark(const Frame& frame) {
  if (frame.inlined)
    return " (inlined)";
  return frame.tail_call ? " (ended in this call)" : "";
}

std::string describe_frame(const Frame& frame) {
  if (frame.kind == FrameKind::note)
    return "[" + frame.function + "]";
  if (frame.kind == FrameKind::python && frame.function.empty() && !frame.module.empty())
    return std::string(short_python_path(frame.module)); // a row of a whole file
  const std::string place =
      frame.offset ? fmt::format("{}+{:#x}", base_name(frame.module), *frame.offset) : frame.module;
  if (frame.kind == FrameKind::python)
    return describe_python_frame(frame);
  if (frame.function.empty())
    return place.empty() ? "[unknown]" : place;
  const std::string function = short_function(frame.function);
  if (frame.file.empty())
    return fmt::format("{} ({})", function, base_name(frame.module));
  if (frame.line == 0)
    return fmt::format("{} at {}", function, base_name(frame.file));
  return fmt::format("{} at {}:{}", function, base_name(frame.file), frame.line);
}

std::string describe_place(const Frame& frame) {
  if (frame.kind != FrameKind::native || frame.function.empty())
    return describe_frame(frame);
  Frame readable = frame;
  readable.function = readable_function(frame.function);
  if (!frame.file.empty() || !frame.offset || !only_starts(frame))
    return describe_frame(readable);
  return fmt::format("{} ({}+{:#x})", readable.function, base_name(frame.module), *frame.offset);
}

} // namespace leakbpf
