// SPDX-License-Identifier: Apache-2.0
// Programs that keep a ledger, and what leakbpf counted of them.
#pragma once

#include "child.h"

#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace leakbpf::e2e {

struct Account {
  std::int64_t bytes = 0;
  std::int64_t count = 0;
  friend bool operator==(const Account&, const Account&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Account& account) {
    return out << account.bytes << " bytes in " << account.count;
  }
};

using Ledger = std::map<std::string, Account>;

/// Lines "KIND BYTES COUNT" up to "done".
Ledger read_ledger(Child& program);

/// Sums of the sites of `pid` by kind.
Ledger sum_sites(const nlohmann::json& snapshot, pid_t pid);

const nlohmann::json& target_of(const nlohmann::json& snapshot, pid_t pid);

void check_no_losses(const nlohmann::json& snapshot);
/// The same but for the ends of stacks: musl's code says nothing about those.
void check_nothing_missed(const nlohmann::json& snapshot);

/// leakbpf tracing a program that keeps a ledger, both ready to go.
struct Session {
  Session(const std::vector<std::string>& command, const std::string& backend);

  nlohmann::json finish();

  TemporaryFile output;
  Child program;
  std::unique_ptr<Child> tracer;
};

} // namespace leakbpf::e2e
