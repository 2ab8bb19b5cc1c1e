// SPDX-License-Identifier: Apache-2.0
// Gives the kernel the unwind tables of the files that targets have mapped, each once.
#pragma once

#include "kernel/unwind_maps.h"
#include "target/proc_fs.h"
#include "unwind/table_fingerprint.h"
#include "unwind/unwind_table.h"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

namespace leakbpf {

/// What did not go as it should, for the report.
struct TableLoaderStats {
  std::uint64_t files = 0;
  std::uint64_t files_without_table = 0; ///< unreadable, not ELF, or no room in the kernel
  std::uint64_t damaged_functions = 0;   ///< whose entries are damaged, over all files
  std::set<std::string> changed_files;   ///< rewritten while they were read
};

/// Says in a file's table which code is an interpreter's.
using TableMarker = std::function<void(const ElfFile&, UnwindTable&)>;

/// Thread-safe.
class TableLoader {
public:
  /// `mark` is asked for each table; empty: there are no interpreters.
  TableLoader(const ProcFs& proc, UnwindMaps maps, TableMarker mark);

  /// Loads the tables of all code that `pid` has mapped, the largest first; those that are there
  /// already cost nothing. Returns the mappings, empty when the process is gone.
  std::vector<leakbpf_mapped_code> load_for(pid_t pid);
  /// The same for one file.
  void load(pid_t pid, const leakbpf_mapped_code& code);
  /// The same for one that nobody has mapped yet.
  void load(const std::string& path);

  [[nodiscard]] leakbpf_unwind_rule rule(std::uint16_t index);
  [[nodiscard]] TableLoaderStats stats();

private:
  struct KeyLess {
    bool operator()(const leakbpf_file_key& a, const leakbpf_file_key& b) const;
  };
  struct RuleHash {
    std::size_t operator()(const leakbpf_unwind_rule& rule) const;
  };
  struct RuleEqual {
    bool operator()(const leakbpf_unwind_rule& a, const leakbpf_unwind_rule& b) const;
  };

  void load_file(const leakbpf_file_key& key, Result<ElfFile> file);
  leakbpf_unwind_file load_table(const ElfFile& file);
  leakbpf_unwind_file put_tree(const UnwindTable& table);
  [[nodiscard]] std::vector<leakbpf_mapped_code> mapped_code(pid_t pid) const;
  [[nodiscard]] Result<ElfFile> open(pid_t pid, const leakbpf_mapped_code& code) const;
  [[nodiscard]] Result<UniqueFd> open_by_path(pid_t pid, const leakbpf_mapped_code& code) const;
  std::optional<std::vector<std::uint16_t>>
  share_rules(const std::vector<leakbpf_unwind_rule>& rules);

  const ProcFs& proc_;
  UnwindMaps maps_;
  TableMarker mark_;
  std::mutex mutex_;
  std::set<leakbpf_file_key, KeyLess> loaded_;
  TableFingerprints fingerprints_;
  std::map<TableFingerprint, leakbpf_unwind_file> by_content_; ///< a table's tree
  std::vector<leakbpf_unwind_rule> rules_;                     ///< as the kernel has them
  std::unordered_map<leakbpf_unwind_rule, std::uint16_t, RuleHash, RuleEqual> rule_index_;
  std::uint32_t next_node_id_ = 1;
  TableLoaderStats stats_;
};

} // namespace leakbpf
