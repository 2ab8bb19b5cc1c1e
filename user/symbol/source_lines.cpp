// SPDX-License-Identifier: Apache-2.0
#include "symbol/source_lines.h"

#include "base/regular_file.h"

#include <algorithm>
#include <sstream>

#include <sys/stat.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr off_t largest_file = 4 << 20;
constexpr std::size_t longest_line = 200;
constexpr std::size_t widest_indent = 200;
constexpr const char* blanks = " \t\r\f";

/// Its first bytes, not ending inside a UTF-8 character.
std::string cut(const std::string& line, std::size_t most) {
  std::size_t end = std::min(line.size(), most);
  while (end > 0 && end < line.size() && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80)
    end--;
  return line.substr(0, end);
}

/// Without the blanks behind it.
std::string kept(const std::string& line) {
  return cut(line.substr(0, line.find_last_not_of(blanks) + 1), widest_indent + longest_line);
}

} // namespace

SourceLines::Lines SourceLines::read(pid_t pid, const std::string& file) const {
  Lines lines;
  if (file.empty() || file.front() == '<') // "<string>", "<frozen importlib>"
    return lines;
  std::string path = file;
  if (file.front() != '/')
    path = proc_.link(pid, "cwd") + "/" + file;
  const auto fd = open_regular_in(proc_.path(pid, "root"), path);
  struct stat info {};
  if (!fd || fstat(fd->get(), &info) != 0 || info.st_size <= 0 || info.st_size > largest_file)
    return lines;
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t got = pread(fd->get(), text.data(), text.size(), 0);
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(kept(line));
  return lines;
}

const std::string* SourceLines::find(pid_t pid, const std::string& file, std::uint32_t line) {
  constexpr std::size_t most_files = 256;
  auto known = files_.find({pid, file});
  if (known == files_.end() && files_.size() >= most_files)
    files_.clear();
  if (known == files_.end())
    known = files_.emplace(std::pair(pid, file), read(pid, file)).first;
  const Lines& lines = known->second;
  return line == 0 || line > lines.size() ? nullptr : &lines[line - 1];
}

std::string SourceLines::text(pid_t pid, const std::string& file, std::uint32_t line) {
  const std::string* const found = find(pid, file, line);
  const std::size_t begin = found ? found->find_first_not_of(blanks) : std::string::npos;
  return begin == std::string::npos ? "" : cut(found->substr(begin), longest_line);
}

std::string SourceLines::indented(pid_t pid, const std::string& file, std::uint32_t line) {
  constexpr std::size_t tab_columns = 4;
  const std::string* const found = find(pid, file, line);
  std::string text;
  for (const char letter : found ? *found : "")
    text += letter == '\t' ? std::string(tab_columns, ' ') : std::string(1, letter);
  return text;
}

} // namespace leakbpf
