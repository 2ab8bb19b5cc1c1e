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

std::string trimmed(const std::string& line) {
  constexpr const char* blanks = " \t\r\f";
  const std::size_t begin = line.find_first_not_of(blanks);
  if (begin == std::string::npos)
    return "";
  std::size_t end = line.find_last_not_of(blanks) + 1;
  end = std::min(end, begin + longest_line);
  while (end > begin && end < line.size() && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80)
    end--; // not inside a UTF-8 character
  return line.substr(begin, end - begin);
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
    lines.push_back(trimmed(line));
  return lines;
}

std::string SourceLines::text(pid_t pid, const std::string& file, std::uint32_t line) {
  constexpr std::size_t most_files = 256;
  auto known = files_.find({pid, file});
  if (known == files_.end() && files_.size() >= most_files)
    files_.clear();
  if (known == files_.end())
    known = files_.emplace(std::pair(pid, file), read(pid, file)).first;
  const Lines& lines = known->second;
  return line == 0 || line > lines.size() ? "" : lines[line - 1];
}

} // namespace leakbpf
