// SPDX-License-Identifier: Apache-2.0
// The Pythons of this machine.
#pragma once

#include <string>
#include <vector>

namespace leakbpf::e2e {

/// Of the user who runs the tests.
std::string home();

/// "3.11"; empty when it does not run.
std::string version_of(const std::string& python);

/// Every Python on this machine from 3.8 on, the system's first: that of the system, those of
/// pyenv, and newer Debian ones unpacked by tests/python/fetch.
std::vector<std::string> pythons();

} // namespace leakbpf::e2e
