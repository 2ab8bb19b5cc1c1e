// SPDX-License-Identifier: Apache-2.0
#include "unwind/table_loader.h"

#include "base/regular_file.h"
#include "elf/vdso.h"
#include "target/device_number.h"
#include "target/file_mapping.h"
#include "target/mapped_file.h"
#include "unwind/unwind_tree.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

namespace leakbpf {

namespace {

bool same_place(const leakbpf_mapped_code& a, const Mapping& b) {
  return a.start == b.start && a.end == b.end && a.offset == b.offset;
}

std::string map_file(const leakbpf_mapped_code& code) {
  return fmt::format("map_files/{:x}-{:x}", code.start, code.end);
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

TableLoader::TableLoader(const ProcFs& proc, UnwindMaps maps, TableMarker mark)
    : proc_(proc), maps_(maps), mark_(std::move(mark)) {
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
    load_file(code.file, open(pid, code));
}

void TableLoader::load(const std::string& path) {
  auto opened = open_regular(path);
  const auto mapping = opened ? as_mapped(*opened) : std::nullopt;
  if (!mapping)
    return;
  const leakbpf_file_key key{mapping->inode, kernel_device(mapping->device), 0};
  const std::scoped_lock lock(mutex_);
  if (!loaded_.contains(key))
    load_file(key, ElfFile::take(*std::move(opened), path));
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
  const MappedFile file{
      device_of_kernel(code.file.device), code.file.inode, "", pid, code.start, code.end, "", ""};
  auto opened = open_mapped_file(proc_, file);
  if (!opened && opened.error().code != ExitCode::no_target)
    opened = open_by_path(pid, code);
  if (!opened)
    return opened.error();
  return ElfFile::take(*std::move(opened), proc_.link(pid, map_file(code)));
}

/// Without the right to follow the kernel's links. Its path is not among what the kernel side
/// tells.
Result<UniqueFd> TableLoader::open_by_path(pid_t pid, const leakbpf_mapped_code& code) const {
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
  return open_mapped_file(proc_, files.front());
}

/// What cannot be opened now is asked for again when it is met again; what is no ELF file is known
/// to have no table.
void TableLoader::load_file(const leakbpf_file_key& key, Result<ElfFile> file) {
  leakbpf_unwind_file loaded{};
  if (file)
    loaded = load_table(*file);
  else if (file.error().code == ExitCode::no_target)
    return;
  stats_.files++;
  if (loaded.levels == 0)
    stats_.files_without_table++;
  if (maps_.put_file(key, loaded))
    loaded_.insert(key);
  else
    maps_.refuse_requests(); // else each walk through it would ask again
}

/// A file whose table could not be made or kept is walked by frame pointers. Copies of a file share
/// their tree.
leakbpf_unwind_file TableLoader::load_table(const ElfFile& file) {
  auto table = build_unwind_table(file);
  if (!file.unchanged())
    stats_.changed_files.insert(file.path());
  if (!table)
    return {};
  if (mark_)
    mark_(file, *table);
  stats_.damaged_functions += table->stats.damaged;
  const auto [known, is_new] = by_content_.try_emplace(fingerprints_.of(*table));
  if (is_new)
    known->second = put_tree(*table);
  return known->second;
}

leakbpf_unwind_file TableLoader::put_tree(const UnwindTable& table) {
  const auto shared = share_rules(table.rules);
  if (!shared)
    return {};
  const UnwindTree tree = pack_tree(table, *shared, next_node_id_);
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
