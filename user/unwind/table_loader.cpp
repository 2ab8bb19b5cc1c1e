// SPDX-License-Identifier: Apache-2.0
#include "unwind/table_loader.h"

#include "python/evaluation_code.h"
#include "symbol/vdso.h"
#include "target/allocators.h"
#include "unwind/unwind_tree.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <tuple>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace leakbpf {

namespace {

/// The kernel's own form of a device number that /proc shows as major and minor.
std::uint32_t kernel_device(std::uint64_t device) {
  constexpr unsigned minor_bits = 20;
  return static_cast<std::uint32_t>((device >> 32) << minor_bits | (device & 0xffffffff));
}

bool same_place(const leakbpf_mapped_code& a, const Mapping& b) {
  return a.start == b.start && a.end == b.end && a.offset == b.offset;
}

void mark_python(const ElfFile& file, UnwindTable& table) {
  const auto interpreter = find_interpreter(file);
  if (!interpreter)
    return;
  for (const FileRange& range : evaluation_code(file, interpreter->evaluation, table))
    mark_interpreter(table, range.begin, range.end, LEAKBPF_INTERPRETER_PYTHON);
}

} // namespace

bool TableLoader::KeyLess::operator()(const leakbpf_file_key& a, const leakbpf_file_key& b) const {
  return std::tie(a.inode, a.device) < std::tie(b.inode, b.device);
}

std::size_t TableLoader::RuleHash::operator()(const leakbpf_unwind_rule& rule) const {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(&rule), sizeof(rule)});
}

bool TableLoader::RuleEqual::operator()(const leakbpf_unwind_rule& a,
                                        const leakbpf_unwind_rule& b) const {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

TableLoader::TableLoader(const ProcFs& proc, UnwindMaps maps, TableCache cache, bool python)
    : proc_(proc), maps_(maps), cache_(std::move(cache)), python_(python) {
  leakbpf_unwind_rule unsupported{};
  unsupported.cfa = LEAKBPF_CFA_UNSUPPORTED;
  for (const leakbpf_unwind_rule& rule : {leakbpf_unwind_rule{}, unsupported}) {
    rule_index_.emplace(rule, static_cast<std::uint16_t>(rules_.size()));
    rules_.push_back(rule);
  }
  if (!maps_.put_rules(0, rules_))
    maps_.refuse_requests();
}

/// The mapped code that belongs to a file, or to the vDSO.
std::vector<leakbpf_mapped_code> TableLoader::mapped_code(pid_t pid) const {
  std::vector<leakbpf_mapped_code> found;
  const auto mappings = proc_.mappings(pid);
  if (!mappings)
    return found;
  for (const Mapping& mapping : *mappings) {
    const bool vdso = mapping.path == "[vdso]";
    if (!mapping.executable || (mapping.inode == 0 && !vdso))
      continue;
    leakbpf_mapped_code& code = found.emplace_back();
    code = {
        mapping.start, mapping.end, mapping.offset, {LEAKBPF_VDSO_INODE, LEAKBPF_VDSO_DEVICE, 0}};
    if (!vdso)
      code.file = {mapping.inode, kernel_device(mapping.device), 0};
  }
  return found;
}

std::vector<leakbpf_mapped_code> TableLoader::load_for(pid_t pid) {
  std::vector<leakbpf_mapped_code> mapped = mapped_code(pid);
  std::vector<leakbpf_mapped_code> largest_first = mapped;
  std::stable_sort(largest_first.begin(), largest_first.end(),
                   [](const auto& a, const auto& b) { return a.end - a.start > b.end - b.start; });
  for (const leakbpf_mapped_code& code : largest_first)
    load(pid, code);
  return mapped;
}

void TableLoader::load(pid_t pid, const leakbpf_mapped_code& code) {
  const std::scoped_lock lock(mutex_);
  if (!loaded_.contains(code.file))
    load_file(pid, code);
}

leakbpf_unwind_rule TableLoader::rule(std::uint16_t index) {
  const std::scoped_lock lock(mutex_);
  return rules_.at(index);
}

TableLoaderStats TableLoader::stats() {
  const std::scoped_lock lock(mutex_);
  return stats_;
}

Result<ElfFile> TableLoader::open(pid_t pid, const leakbpf_mapped_code& code) const {
  if (code.file.device == LEAKBPF_VDSO_DEVICE) {
    const auto image = vdso_image();
    return ElfFile::open_image(image.data(), image.size());
  }
  // The kernel's own link to what is mapped: right in every mount namespace, and when deleted.
  const std::string link =
      proc_.path(pid, fmt::format("map_files/{:x}-{:x}", code.start, code.end));
  if (::faccessat(AT_FDCWD, link.c_str(), R_OK, AT_EACCESS) == 0)
    return ElfFile::open(link);
  if (errno == ENOENT)
    return Error{ExitCode::no_target, "it is mapped no more", ""};
  return open_by_path(pid, code);
}

/// Without the right to follow the kernel's links (CAP_CHECKPOINT_RESTORE).
Result<ElfFile> TableLoader::open_by_path(pid_t pid, const leakbpf_mapped_code& code) const {
  const auto mappings = proc_.mappings(pid);
  if (!mappings)
    return mappings.error();
  const auto mapping = std::find_if(mappings->begin(), mappings->end(),
                                    [&](const Mapping& m) { return same_place(code, m); });
  if (mapping == mappings->end())
    return Error{ExitCode::no_target, "it is mapped no more", ""};
  const auto files = executable_files(proc_, pid, std::span(&*mapping, 1));
  if (files.empty())
    return Error{ExitCode::cannot_trace, "it has no path", ""};
  return ElfFile::open(files.front().open_path);
}

/// What cannot be opened now is asked for again when it is met again; what is no ELF file is known
/// to have no table.
void TableLoader::load_file(pid_t pid, const leakbpf_mapped_code& code) {
  leakbpf_unwind_file loaded{};
  if (auto file = open(pid, code)) {
    const std::string content = fmt::format("{}-{}", file->build_id(), file->size());
    const auto known = by_content_.find(content);
    if (!file->build_id().empty() && known != by_content_.end()) {
      loaded = known->second;
    } else {
      loaded = load_table(*file);
      by_content_.emplace(content, loaded);
    }
  } else if (file.error().code == ExitCode::no_target) {
    return;
  }
  stats_.files++;
  if (loaded.levels == 0)
    stats_.files_without_table++;
  if (maps_.put_file(code.file, loaded))
    loaded_.insert(code.file);
  else
    maps_.refuse_requests(); // else each walk through it would ask again
}

/// A file whose table could not be made or kept is walked by frame pointers.
leakbpf_unwind_file TableLoader::load_table(const ElfFile& file) {
  auto table = cache_.load(file);
  if (!table) {
    auto built = build_unwind_table(file);
    if (!built)
      return {};
    cache_.store(file, *built);
    table = std::move(*built);
  }
  if (python_)
    mark_python(file, *table);
  stats_.damaged_functions += table->stats.damaged;
  const auto shared = share_rules(table->rules);
  if (!shared)
    return {};
  const UnwindTree tree = pack_tree(*table, *shared, next_node_id_);
  if (!maps_.put_nodes(next_node_id_, tree.nodes))
    return {};
  next_node_id_ += static_cast<std::uint32_t>(tree.nodes.size());
  return {tree.root, tree.levels, tree.first_offset, tree.end_offset};
}

/// Indexes of `rules` among the kernel's; those that are new are added. When there is no room, a
/// rule counts as one that cannot be expressed.
std::optional<std::vector<std::uint16_t>>
TableLoader::share_rules(const std::vector<leakbpf_unwind_rule>& rules) {
  std::vector<std::uint16_t> indexes;
  indexes.reserve(rules.size());
  const std::size_t before = rules_.size();
  for (const leakbpf_unwind_rule& rule : rules) {
    const auto known = rule_index_.find(rule);
    if (known != rule_index_.end()) {
      indexes.push_back(known->second);
    } else if (rules_.size() == LEAKBPF_UNWIND_MAX_RULES) {
      indexes.push_back(1);
    } else {
      indexes.push_back(static_cast<std::uint16_t>(rules_.size()));
      rule_index_.emplace(rule, indexes.back());
      rules_.push_back(rule);
    }
  }
  if (!maps_.put_rules(static_cast<std::uint32_t>(before), std::span(rules_).subspan(before)))
    return std::nullopt;
  return indexes;
}

} // namespace leakbpf
