// SPDX-License-Identifier: Apache-2.0
#include "kernel/unwind_maps.h"

#include "kernel/unique_fd.h"
#include "leakbpf.skel.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <bpf/bpf.h>
#include <fmt/format.h>

namespace leakbpf {

namespace {

struct LinkCloser {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

/// Everything that can be read from `fd`.
template <class Record> Result<std::vector<Record>> read_records(int fd) {
  std::vector<Record> records;
  std::vector<char> bytes;
  std::array<char, 1 << 16> block{};
  for (;;) {
    const ssize_t count = read(fd, block.data(), block.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return Error{ExitCode::cannot_trace,
                   fmt::format("cannot list a process's mappings: {}", std::strerror(errno)), ""};
    if (count == 0)
      break;
    bytes.insert(bytes.end(), block.begin(), block.begin() + count);
  }
  records.resize(bytes.size() / sizeof(Record));
  if (!records.empty())
    std::memcpy(records.data(), bytes.data(), records.size() * sizeof(Record));
  return records;
}

} // namespace

Result<std::vector<leakbpf_mapped_code>> UnwindMaps::mapped_code(pid_t pid) const {
  bpf_iter_link_info info{};
  info.task.tid = static_cast<std::uint32_t>(pid);
  LIBBPF_OPTS(bpf_iter_attach_opts, options);
  options.link_info = &info;
  options.link_info_len = sizeof(info);
  const std::unique_ptr<bpf_link, LinkCloser> link(
      bpf_program__attach_iter(skeleton_->progs.list_mapped_code, &options));
  if (!link) {
    if (errno == ESRCH)
      return std::vector<leakbpf_mapped_code>{};
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot list a process's mappings: {}", std::strerror(errno)), ""};
  }
  const UniqueFd iterator(bpf_iter_create(bpf_link__fd(link.get())));
  if (!iterator)
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot list a process's mappings: {}", std::strerror(errno)), ""};
  return read_records<leakbpf_mapped_code>(iterator.get());
}

bool UnwindMaps::put_rules(std::uint32_t first, std::span<const leakbpf_unwind_rule> rules) const {
  const int map = bpf_map__fd(skeleton_->maps.unwind_rules);
  for (const leakbpf_unwind_rule& rule : rules) {
    if (bpf_map_update_elem(map, &first, &rule, BPF_ANY))
      return false;
    first++;
  }
  return true;
}

bool UnwindMaps::put_nodes(std::uint32_t first_id,
                           std::span<const leakbpf_unwind_node> nodes) const {
  std::vector<std::uint32_t> ids(nodes.size());
  for (std::size_t i = 0; i < ids.size(); i++)
    ids[i] = first_id + static_cast<std::uint32_t>(i);
  auto count = static_cast<std::uint32_t>(nodes.size());
  return nodes.empty() || bpf_map_update_batch(bpf_map__fd(skeleton_->maps.unwind_nodes),
                                               ids.data(), nodes.data(), &count, nullptr) == 0;
}

bool UnwindMaps::put_file(const leakbpf_file_key& key, const leakbpf_unwind_file& file) const {
  return bpf_map_update_elem(bpf_map__fd(skeleton_->maps.unwind_files), &key, &file, BPF_ANY) == 0;
}

void UnwindMaps::refuse_requests() const {
  skeleton_->bss->unwind_requests_refused = 1;
}

std::optional<leakbpf_unwind_file> UnwindMaps::file(const leakbpf_file_key& key) const {
  leakbpf_unwind_file found{};
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.unwind_files), &key, &found))
    return std::nullopt;
  return found;
}

std::optional<leakbpf_unwind_node> UnwindMaps::node(std::uint32_t id) const {
  leakbpf_unwind_node found;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.unwind_nodes), &id, &found))
    return std::nullopt;
  return found;
}

void UnwindMaps::put_mapping(std::uint32_t space, const leakbpf_mapped_code& code) const {
  const int map = bpf_map__fd(skeleton_->maps.mapped_blocks);
  const std::uint64_t last = (code.end - 1) >> LEAKBPF_CODE_BLOCK_SHIFT;
  for (std::uint64_t block = code.start >> LEAKBPF_CODE_BLOCK_SHIFT; block <= last; block++) {
    const leakbpf_block_of_code key{space, static_cast<std::uint32_t>(block)};
    bpf_map_update_elem(map, &key, &code, BPF_ANY);
  }
}

std::optional<leakbpf_stack> UnwindMaps::stack(std::uint64_t hash) const {
  leakbpf_stack found{};
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.stacks), &hash, &found))
    return std::nullopt;
  if (found.depth > LEAKBPF_MAX_FRAMES)
    found.depth = LEAKBPF_MAX_FRAMES;
  return found;
}

bool UnwindMaps::put_stack(std::uint64_t hash, const leakbpf_stack& stack) const {
  return bpf_map_update_elem(bpf_map__fd(skeleton_->maps.stacks), &hash, &stack, BPF_ANY) == 0;
}

int UnwindMaps::requests_map() const {
  return bpf_map__fd(skeleton_->maps.unwind_requests);
}

} // namespace leakbpf
