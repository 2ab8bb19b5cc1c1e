// SPDX-License-Identifier: Apache-2.0
#include "pythons.h"

#include "child.h"

#include <cstdlib>
#include <filesystem>

namespace leakbpf::e2e {

std::string home() {
  const char* set = std::getenv("HOME");
  return set ? set : "/root";
}

std::string version_of(const std::string& python) {
  const Finished told =
      run_program({python, "-c", "import sys; print('%d.%d' % sys.version_info[:2], end='')"});
  return told.status == 0 ? told.output : "";
}

std::vector<std::string> pythons() {
  std::vector<std::string> found{"/usr/bin/python3"};
  const auto add_below = [&found](const std::string& folder, const std::string& program) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
      if (std::filesystem::exists(entry.path() / program))
        found.push_back(entry.path() / program);
  };
  add_below(home() + "/.pyenv/versions", "bin/python3");
  const char* cache = std::getenv("XDG_CACHE_HOME");
  add_below((cache ? cache : home() + "/.cache") + "/leakbpf/python", "python3");
  std::erase_if(found, [](const std::string& python) {
    const std::string version = version_of(python);
    return version.empty() || version.size() < 3 || std::stoi(version.substr(2)) < 8;
  });
  return found;
}

} // namespace leakbpf::e2e
