// SPDX-License-Identifier: Apache-2.0
#include "sites.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace leakbpf::e2e {

using Json = nlohmann::json;

std::string culprit_of(const Json& site) {
  const Json& function = site.at("frames").at(site.at("culprit").get<std::size_t>()).at("function");
  return function.is_string() ? function.get<std::string>() : "";
}

std::string first_sites(const Json& snapshot, std::size_t count) {
  const Json& sites = snapshot.at("sites");
  std::string text;
  for (std::size_t i = 0; i < std::min(count, sites.size()); i++) {
    text += culprit_of(sites.at(i));
    for (const char* field : {"kind", "severity", "score", "outstanding_bytes", "reasons"})
      text += " " + sites.at(i).at(field).dump();
    text += "\n";
  }
  return text;
}

} // namespace leakbpf::e2e
