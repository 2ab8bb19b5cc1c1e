// SPDX-License-Identifier: Apache-2.0
#include "unwind/table_fingerprint.h"

#include <set>

#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;

namespace {

UnwindTable small_table() {
  UnwindTable table;
  leakbpf_unwind_rule rule{};
  table.rules.push_back(rule);
  rule.cfa = LEAKBPF_CFA_REGISTER;
  rule.cfa_offset = 8;
  table.rules.push_back(rule);
  table.rows = {{0x1000, 1}, {0x2000, 0}};
  return table;
}

} // namespace

TEST_CASE("equal unwind tables have one fingerprint, different ones have not", "[unwind]") {
  const TableFingerprints fingerprints;
  std::set<TableFingerprint> seen{fingerprints.of(small_table())};
  UnwindTable same = small_table();
  same.stats.seconds = 7; // what it took to build is not what it says
  CHECK(seen.contains(fingerprints.of(same)));

  UnwindTable other = small_table();
  other.rows[0].offset++;
  CHECK(seen.insert(fingerprints.of(other)).second);
  other = small_table();
  other.rows[0].rule = 0;
  CHECK(seen.insert(fingerprints.of(other)).second);
  other = small_table();
  other.rules[1].cfa_offset = -8;
  CHECK(seen.insert(fingerprints.of(other)).second);
  other = small_table();
  other.rules.push_back(other.rules[0]);
  CHECK(seen.insert(fingerprints.of(other)).second);
  other.rules.pop_back();
  other.rows.pop_back();
  CHECK(seen.insert(fingerprints.of(other)).second);
  CHECK(seen.insert(fingerprints.of(UnwindTable{})).second);
}

TEST_CASE("fingerprints cannot be prepared: their points differ from run to run", "[unwind]") {
  CHECK(TableFingerprints().of(small_table()) != TableFingerprints().of(small_table()));
  const TableFingerprints fixed({3, 5});
  CHECK(fixed.of(small_table()) == TableFingerprints({3, 5}).of(small_table()));
}
