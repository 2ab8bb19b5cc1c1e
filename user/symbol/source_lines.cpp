// SPDX-License-Identifier: Apache-2.0
#include "symbol/source_lines.h"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace leakbpf {

namespace {

constexpr std::uintmax_t largest_file = 4 << 20;
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
  const std::string path =
      file.front() == '/' ? proc_.path(pid, "root" + file) : proc_.path(pid, "cwd/" + file);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) ||
      std::filesystem::file_size(path, error) > largest_file || error)
    return lines;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(trimmed(line));
  return lines;
}

std::string SourceLines::text(pid_t pid, const std::string& file, std::uint32_t line) {
  auto known = files_.find({pid, file});
  if (known == files_.end())
    known = files_.emplace(std::pair(pid, file), read(pid, file)).first;
  const Lines& lines = known->second;
  return line == 0 || line > lines.size() ? "" : lines[line - 1];
}

} // namespace leakbpf
