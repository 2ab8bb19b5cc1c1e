// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_side.h"

#include "base/descriptor_limit.h"
#include "core/sampling.h"
#include "kernel/map_access.h"
#include "kernel/page_faults.h"
#include "leakbpf.skel.h"

#include <leakbpf/stack_hash.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

namespace leakbpf {

namespace {

// Ids given out here have this bit, those given out by the BPF programs (fork, exec) do not.
constexpr std::uint32_t first_own_id = 1U << 31;

struct SkeletonCloser {
  void operator()(leakbpf_bpf* skeleton) const { leakbpf_bpf__destroy(skeleton); }
};

struct RingCloser {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

using EventHandler = std::function<void(const leakbpf_event&)>;

std::size_t per_cpu_value_bytes(std::size_t value_bytes) {
  return value_bytes * static_cast<std::size_t>(libbpf_num_possible_cpus());
}

/// Of all CPUs.
leakbpf_site_totals sum_of(const std::uint8_t* values, std::size_t bytes) {
  leakbpf_site_totals sum{};
  for (std::size_t at = 0; at < bytes; at += sizeof(leakbpf_site_totals)) {
    leakbpf_site_totals part;
    std::memcpy(&part, values + at, sizeof(part));
    sum.allocated_bytes += part.allocated_bytes;
    sum.allocated_count += part.allocated_count;
    sum.freed_bytes += part.freed_bytes;
    sum.freed_count += part.freed_count;
    if (part.young_window > sum.young_window) {
      sum.young_window = part.young_window;
      sum.young_bytes = sum.young_count = 0;
    }
    if (part.young_window == sum.young_window) {
      sum.young_bytes += part.young_bytes;
      sum.young_count += part.young_count;
    }
  }
  return sum;
}

leakbpf_activity& operator+=(leakbpf_activity& sum, const leakbpf_activity& part) {
  sum.hits += part.hits;
  sum.allocations += part.allocations;
  sum.frees += part.frees;
  sum.nested += part.nested;
  sum.work_ns += part.work_ns;
  for (int which = 0; which < LEAKBPF_STANDING_COUNT; which++) {
    sum.standing[which].hits += part.standing[which].hits;
    sum.standing[which].work_ns += part.standing[which].work_ns;
  }
  return sum;
}

/// Of all CPUs.
leakbpf_activity sum_of_activity(const std::uint8_t* values, std::size_t bytes) {
  leakbpf_activity sum{};
  for (std::size_t at = 0; at < bytes; at += sizeof(leakbpf_activity)) {
    leakbpf_activity part;
    std::memcpy(&part, values + at, sizeof(part));
    sum += part;
  }
  return sum;
}

/// Of the system, in the order in which they are attached.
std::array<bpf_program*, 3> life_cycle_programs(const leakbpf_bpf* skeleton) {
  return {skeleton->progs.on_fork, skeleton->progs.on_exec, skeleton->progs.on_exit};
}

/// Forks, execs and exits that the kernel did not run the program for: it was at work on that CPU,
/// and was preempted there.
std::uint64_t missed_life_cycles(const leakbpf_bpf* skeleton, const MapAccess& access) {
  std::uint64_t missed = 0;
  for (const bpf_program* program : life_cycle_programs(skeleton)) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (access.insist(
            [&] { return bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size); }) == 0)
      missed += info.recursion_misses;
  }
  return missed;
}

Result<void> attach_life_cycle(leakbpf_bpf* skeleton, std::vector<Link>& links) {
  for (bpf_program* program : life_cycle_programs(skeleton)) {
    bpf_link* link = bpf_program__attach(program);
    if (!link && is_descriptor_shortage(errno))
      return descriptor_shortage(errno);
    if (!link)
      return Error{ExitCode::cannot_trace,
                   fmt::format("cannot attach to the kernel's {}: {}",
                               bpf_program__section_name(program), std::strerror(errno)),
                   ""};
    links.emplace_back(std::unique_ptr<bpf_link, BpfLinkCloser>(link));
  }
  return {};
}

Backend entry_backend(Backend backend) {
  return backend == Backend::session ? Backend::multi : backend;
}

void configure(leakbpf_bpf* skeleton, const KernelConfig& config) {
  skeleton->rodata->config_min_size = config.min_size;
  skeleton->rodata->config_max_size = config.max_size;
  skeleton->rodata->config_max_frames = config.max_frames;
  skeleton->rodata->config_follow_forks = config.follow_forks ? 1 : 0;
  skeleton->rodata->config_watch = config.watch ? 1 : 0;
  skeleton->rodata->config_own_tgid = static_cast<std::uint32_t>(getpid());
  skeleton->rodata->config_windows = config.windows ? 1 : 0;
  const SamplingWeights weights = sampling_weights(config.sample_bytes);
  static_assert(sizeof(weights) == sizeof(skeleton->rodata->sampling_weights));
  std::memcpy(skeleton->rodata->sampling_weights, weights.data(), sizeof(weights));
  bpf_map__set_max_entries(skeleton->maps.live, config.max_live);
  bpf_map__set_max_entries(skeleton->maps.stacks, config.max_stacks);
  // More sites than stacks, so that what fills first is the table with a fallback: the row of
  // stacks that were not recorded.
  bpf_map__set_max_entries(skeleton->maps.sites, config.max_stacks * 2);
  const auto& progs = skeleton->progs;
  for (bpf_program* program :
       {progs.on_allocate_entry, progs.on_allocate_return, progs.on_reallocate_entry,
        progs.on_reallocate_return, progs.on_range_entry, progs.on_range_return,
        progs.on_collect_entry, progs.on_collect_return})
    prepare_program(program, config.backend, false);
  for (bpf_program* program : {progs.on_allocate_session, progs.on_reallocate_session,
                               progs.on_range_session, progs.on_collect_session})
    prepare_program(program, config.backend, true);
  bpf_program__set_autoload(progs.on_page_fault, config.pages || config.pages_on_demand);
  // These have no return, so they are ordinary multi links where there are sessions too.
  for (bpf_program* program : {progs.on_free, progs.on_mappings_changed, progs.on_code_died})
    prepare_program(program, entry_backend(config.backend), false);
}

std::uint64_t shared_bit(pid_t pid) {
  return pid == every_process ? LEAKBPF_COOKIE_SHARED : 0;
}

bool kind_wanted(const KernelConfig& config, leakbpf_kind kind) {
  switch (kind) {
  case LEAKBPF_KIND_MMAP:
    return config.mmap;
  case LEAKBPF_KIND_BRK:
    return config.brk;
  case LEAKBPF_KIND_PYTHON:
    return config.python;
  case LEAKBPF_KIND_PAGES:
    return config.pages;
  default:
    return config.heap;
  }
}

} // namespace

struct KernelSide::Impl {
  KernelConfig config;
  std::unique_ptr<leakbpf_bpf, SkeletonCloser> skeleton;
  std::vector<Link> life_cycle_links;
  PageFaults page_faults;
  // The callback's context must not move, hence the box.
  std::unique_ptr<const EventHandler*> handler = std::make_unique<const EventHandler*>(nullptr);
  std::unique_ptr<ring_buffer, RingCloser> ring;
  std::uint32_t next_own_id = first_own_id;
  MapAccess access;
  // What could be read last stands for what cannot be read: counts never go back.
  leakbpf_counters last_counters{};
  std::vector<leakbpf_activity> last_activities =
      std::vector<leakbpf_activity>(LEAKBPF_ACTIVITY_SLOTS + 1);
};

namespace {

int handle_record(void* context, void* data, std::size_t size) {
  const EventHandler* handler = *static_cast<const EventHandler**>(context);
  if (handler && size >= sizeof(leakbpf_event))
    (*handler)(*static_cast<const leakbpf_event*>(data));
  return 0;
}

} // namespace

KernelSide::KernelSide(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KernelSide::KernelSide(KernelSide&&) noexcept = default;
KernelSide& KernelSide::operator=(KernelSide&&) noexcept = default;
KernelSide::~KernelSide() = default;

Result<KernelSide> KernelSide::load(const KernelConfig& config) {
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  impl->skeleton.reset(leakbpf_bpf__open());
  if (!impl->skeleton && is_descriptor_shortage(errno))
    return descriptor_shortage(errno);
  if (!impl->skeleton)
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot open the BPF programs: {}", std::strerror(errno)),
                 "run `leakbpf doctor`"};
  const int cpus = libbpf_num_possible_cpus(); // from here on it is known
  if (cpus < 0 && is_descriptor_shortage(-cpus))
    return descriptor_shortage(-cpus);
  if (cpus < 0)
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot tell how many CPUs there are: {}", std::strerror(-cpus)),
                 "is /sys mounted?"};
  configure(impl->skeleton.get(), config);
  if (const int error = leakbpf_bpf__load(impl->skeleton.get())) {
    if (is_descriptor_shortage(-error))
      return descriptor_shortage(-error);
    const char* hint =
        error == -ENOMEM || error == -E2BIG
            ? "not enough kernel memory: lower --max-live or --max-stacks"
            : "-v shows the kernel's own message; `leakbpf doctor` shows what is missing";
    return Error{ExitCode::cannot_trace,
                 fmt::format("the kernel rejected the BPF programs: {}", std::strerror(-error)),
                 hint};
  }
  if (auto attached = attach_life_cycle(impl->skeleton.get(), impl->life_cycle_links); !attached)
    return attached.error();
  impl->ring.reset(ring_buffer__new(bpf_map__fd(impl->skeleton->maps.events), &handle_record,
                                    impl->handler.get(), nullptr));
  if (!impl->ring && is_descriptor_shortage(errno))
    return descriptor_shortage(errno);
  if (!impl->ring)
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot map the event buffer: {}", std::strerror(errno)), ""};
  return KernelSide(std::move(impl));
}

void KernelSide::keep_page_faults(PageFaults opened) {
  impl_->page_faults = std::move(opened);
}

Result<void> KernelSide::follow_page_faults() {
  if (!impl_->page_faults.is_open()) {
    auto opened = PageFaults::open();
    if (!opened)
      return opened.error();
    impl_->page_faults = *std::move(opened);
  }
  return impl_->page_faults.attach(impl_->skeleton->progs.on_page_fault);
}

std::size_t KernelSide::wanted_probes(const ProbePlan& plan) const {
  return static_cast<std::size_t>(
      std::count_if(plan.probes.begin(), plan.probes.end(), [this](const PlannedProbe& probe) {
        return kind_wanted(impl_->config, probe.function->kind);
      }));
}

Result<void> KernelSide::attach_those(const ProbePlan& plan, pid_t pid, const ProgramSet& programs,
                                      const std::function<bool(const PlannedProbe&)>& wanted,
                                      std::vector<Link>& links) const {
  std::vector<AttachPoint> points;
  for (const PlannedProbe& probe : plan.probes)
    if (kind_wanted(impl_->config, probe.function->kind) && wanted(probe))
      points.push_back({probe.file_offset, probe.cookie | shared_bit(pid)});
  return attach(impl_->config.backend, programs, pid, plan.file.open_path, points, links);
}

Result<std::vector<Link>> KernelSide::attach_heap(const ProbePlan& plan, pid_t pid) const {
  const auto& progs = impl_->skeleton->progs;
  const ProgramSet free_programs{progs.on_free, nullptr, nullptr};
  const ProgramSet reallocate_programs{progs.on_reallocate_entry, progs.on_reallocate_return,
                                       progs.on_reallocate_session};
  const ProgramSet allocate_programs{progs.on_allocate_entry, progs.on_allocate_return,
                                     progs.on_allocate_session};
  std::vector<Link> links;
  for (const auto& [operation, programs] : {std::pair{LEAKBPF_OP_FREE, free_programs},
                                            {LEAKBPF_OP_REALLOCATE, reallocate_programs},
                                            {LEAKBPF_OP_ALLOCATE, allocate_programs}}) {
    const auto wanted = [operation = operation](const PlannedProbe& probe) {
      return probe.function->operation == operation;
    };
    if (auto done = attach_those(plan, pid, programs, wanted, links); !done)
      return done.error();
  }
  return links;
}

Result<std::vector<Link>> KernelSide::attach_mapping_calls(const ProbePlan& plan, pid_t pid) const {
  const auto& progs = impl_->skeleton->progs;
  const ProgramSet range_programs{progs.on_range_entry, progs.on_range_return,
                                  progs.on_range_session};
  const auto is_range = [](const PlannedProbe& probe) {
    return probe.function->kind == LEAKBPF_KIND_MMAP || probe.function->kind == LEAKBPF_KIND_BRK;
  };
  std::vector<Link> links;
  if (auto done = attach_those(plan, pid, range_programs, is_range, links); !done)
    return done.error();
  return links;
}

Result<std::vector<Link>> KernelSide::attach_pools(const ProbePlan& plan, pid_t pid) const {
  const auto& progs = impl_->skeleton->progs;
  const ProgramSet allocate_programs{progs.on_allocate_entry, progs.on_allocate_return,
                                     progs.on_allocate_session};
  const auto is_pool = [](const PlannedProbe& probe) {
    return probe.function->operation == LEAKBPF_OP_PYTHON_POOL;
  };
  std::vector<Link> links;
  if (auto done = attach_those(plan, pid, allocate_programs, is_pool, links); !done)
    return done.error();
  return links;
}

Result<std::uint32_t> KernelSide::start_target(pid_t pid, std::uint32_t window, bool shared,
                                               const leakbpf_python* python) {
  const auto tgid = static_cast<std::uint32_t>(pid);
  const std::uint32_t id = impl_->next_own_id++;
  leakbpf_target target{};
  target.id = target.space = id;
  target.pages = impl_->config.pages ? LEAKBPF_PAGES_INHERITED : LEAKBPF_PAGES_NONE;
  target.shared = shared ? 1 : 0;
  target.window = window;
  if ((python && !put_python(id, *python)) ||
      !impl_->access.update(bpf_map__fd(impl_->skeleton->maps.targets), &tgid, &target, BPF_ANY))
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot trace PID {}: {}", pid, std::strerror(errno)),
                 "too many targets at once"};
  return target.id;
}

/// The kernel side may write the same entry at that moment, when the process maps a library or
/// memory: of these fields the next change tells again.
bool KernelSide::change_target(pid_t pid,
                               const std::function<void(leakbpf_target&)>& change) const {
  const int map = bpf_map__fd(impl_->skeleton->maps.targets);
  const auto tgid = static_cast<std::uint32_t>(pid);
  leakbpf_target target{};
  if (!impl_->access.lookup(map, &tgid, &target))
    return false;
  change(target);
  return impl_->access.update(map, &tgid, &target, BPF_EXIST);
}

bool KernelSide::share_target(pid_t pid, std::uint32_t window) const {
  return change_target(pid, [&](leakbpf_target& target) {
    target.shared = 1;
    target.window = window;
  });
}

bool KernelSide::follow_pages_of(pid_t pid) const {
  return change_target(pid, [](leakbpf_target& target) { target.pages = LEAKBPF_PAGES_OWN; });
}

void KernelSide::set_window(std::uint32_t index, const leakbpf_window& window) const {
  const int map = bpf_map__fd(impl_->skeleton->maps.windows);
  leakbpf_window closed = window;
  closed.number = 0;
  // The number last: nothing is to be followed by half of the settings.
  impl_->access.update(map, &index, &closed, BPF_ANY);
  if (window.number != 0)
    impl_->access.update(map, &index, &window, BPF_ANY);
}

std::optional<std::uint32_t> KernelSide::target_id(pid_t pid) const {
  const auto tgid = static_cast<std::uint32_t>(pid);
  leakbpf_target target{};
  if (!impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.targets), &tgid, &target))
    return std::nullopt;
  return target.id;
}

bool KernelSide::put_python(std::uint32_t id, const leakbpf_python& python) const {
  return impl_->access.update(bpf_map__fd(impl_->skeleton->maps.pythons), &id, &python, BPF_ANY);
}

void KernelSide::stop_target(pid_t pid) const {
  const auto tgid = static_cast<std::uint32_t>(pid);
  impl_->access.remove(bpf_map__fd(impl_->skeleton->maps.targets), &tgid);
}

UnwindMaps KernelSide::unwind_maps() const {
  return {impl_->skeleton.get(), impl_->access};
}

Result<std::vector<Link>> KernelSide::attach_mappings_probe(const std::string& path,
                                                            std::uint64_t file_offset,
                                                            pid_t pid) const {
  return attach_hook({impl_->skeleton->progs.on_mappings_changed, nullptr, nullptr}, path,
                     file_offset, pid);
}

Result<std::vector<Link>>
KernelSide::attach_code_probe(const std::string& path, std::uint64_t file_offset, pid_t pid) const {
  return attach_hook({impl_->skeleton->progs.on_code_died, nullptr, nullptr}, path, file_offset,
                     pid);
}

Result<std::vector<Link>> KernelSide::attach_collector(const std::string& path,
                                                       std::uint64_t file_offset, pid_t pid) const {
  const auto& progs = impl_->skeleton->progs;
  return attach_hook({progs.on_collect_entry, progs.on_collect_return, progs.on_collect_session},
                     path, file_offset, pid);
}

/// At one place of one file.
Result<std::vector<Link>> KernelSide::attach_hook(const ProgramSet& programs,
                                                  const std::string& path,
                                                  std::uint64_t file_offset, pid_t pid) const {
  const AttachPoint point{file_offset, shared_bit(pid)};
  std::vector<Link> links;
  if (auto done = attach(impl_->config.backend, programs, pid, path, std::span(&point, 1), links);
      !done)
    return done.error();
  return links;
}

std::optional<leakbpf_collections> KernelSide::collections(std::uint32_t target) const {
  leakbpf_collections found{};
  if (!impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.collections), &target, &found))
    return std::nullopt;
  return found;
}

void KernelSide::forget_collections(std::uint32_t target) const {
  impl_->access.remove(bpf_map__fd(impl_->skeleton->maps.collections), &target);
}

std::optional<std::uint64_t> KernelSide::python_heap(std::uint32_t target) const {
  std::uint64_t state = 0;
  if (!impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.python_heaps), &target, &state))
    return std::nullopt;
  return state;
}

std::uint32_t KernelSide::code_deaths(std::uint32_t target, std::uint64_t address) const {
  const std::uint32_t index = code_index(target, address);
  leakbpf_code known{};
  return impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.codes), &index, &known)
             ? known.deaths
             : 0;
}

std::vector<SiteSample> KernelSide::read_sites() const {
  std::vector<SiteSample> samples;
  const std::size_t value_bytes = per_cpu_value_bytes(sizeof(leakbpf_site_totals));
  const auto sum = [&](const leakbpf_site_key& key, const std::uint8_t* values) {
    samples.push_back({key, sum_of(values, value_bytes)});
  };
  impl_->access.each_element<leakbpf_site_key>(bpf_map__fd(impl_->skeleton->maps.sites),
                                               value_bytes, sum);
  return samples;
}

void KernelSide::forget_stack(std::uint64_t hash) const {
  impl_->access.remove(bpf_map__fd(impl_->skeleton->maps.stacks), &hash);
}

std::optional<SiteSample> KernelSide::take_totals(const leakbpf_site_key& key) const {
  std::vector<std::uint8_t> values(per_cpu_value_bytes(sizeof(leakbpf_site_totals)));
  if (!impl_->access.take(bpf_map__fd(impl_->skeleton->maps.sites), &key, values.data()))
    return std::nullopt;
  return SiteSample{key, sum_of(values.data(), values.size())};
}

std::uint32_t KernelSide::max_stacks() const {
  return impl_->config.max_stacks;
}

std::optional<leakbpf_stack> KernelSide::read_stack(std::uint64_t hash) const {
  return unwind_maps().stack(hash);
}

leakbpf_counters KernelSide::read_counters() const {
  const std::uint32_t zero = 0;
  const auto page_faults = impl_->page_faults.count(); // first: none is missed in between
  if (!page_faults)
    impl_->access.count_failure();
  leakbpf_counters total{};
  std::vector<leakbpf_counters> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.counters), &zero, values.data())) {
    for (const leakbpf_counters& value : values) {
      for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++)
        total.losses[loss] += value.losses[loss];
      total.page_faults += value.page_faults;
    }
    impl_->last_counters = total;
  } else {
    total = impl_->last_counters;
  }
  total.losses[LEAKBPF_LOSS_EVENTS_DROPPED] +=
      missed_life_cycles(impl_->skeleton.get(), impl_->access);
  if (page_faults.value_or(0) > total.page_faults)
    total.losses[LEAKBPF_LOSS_MISSED_FAULTS] = *page_faults - total.page_faults;
  total.losses[LEAKBPF_LOSS_KERNEL_TABLES] = impl_->access.failures(); // last: those of here too
  return total;
}

leakbpf_activity KernelSide::activity(std::uint32_t target) const {
  const std::uint32_t slot = target % LEAKBPF_ACTIVITY_SLOTS;
  std::vector<std::uint8_t> values(per_cpu_value_bytes(sizeof(leakbpf_activity)));
  leakbpf_activity& last = impl_->last_activities.at(slot);
  if (impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.activity), &slot, values.data()))
    last = sum_of_activity(values.data(), values.size());
  return last;
}

leakbpf_activity KernelSide::total_activity() const {
  leakbpf_activity sum{};
  const std::vector<leakbpf_activity> all = activities();
  for (const leakbpf_activity& part : std::span(all).first(LEAKBPF_ACTIVITY_SLOTS))
    sum += part;
  return sum;
}

std::vector<leakbpf_activity> KernelSide::activities() const {
  const std::size_t value_bytes = per_cpu_value_bytes(sizeof(leakbpf_activity));
  const auto keep = [&](std::uint32_t slot, const std::uint8_t* values) {
    if (slot < impl_->last_activities.size())
      impl_->last_activities[slot] = sum_of_activity(values, value_bytes);
  };
  impl_->access.each_element<std::uint32_t>(bpf_map__fd(impl_->skeleton->maps.activity),
                                            value_bytes, keep);
  return impl_->last_activities;
}

std::size_t KernelSide::each_block(
    const std::function<void(const leakbpf_block_key&, const leakbpf_block&)>& visit) const {
  return impl_->access.each_element<leakbpf_block_key>(
      bpf_map__fd(impl_->skeleton->maps.live), sizeof(leakbpf_block),
      [&](const leakbpf_block_key& key, const std::uint8_t* value) {
        leakbpf_block block;
        std::memcpy(&block, value, sizeof(block));
        visit(key, block);
      });
}

std::optional<leakbpf_block> KernelSide::block_at(const leakbpf_block_key& key) const {
  leakbpf_block block{};
  if (!impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.live), &key, &block))
    return std::nullopt;
  return block;
}

std::optional<leakbpf_block> KernelSide::take_block(const leakbpf_block_key& key,
                                                    std::uint64_t time_ns) const {
  const int map = bpf_map__fd(impl_->skeleton->maps.live);
  leakbpf_block block{};
  if (!impl_->access.take(map, &key, &block))
    return std::nullopt;
  if (block.time_ns == time_ns)
    return block;
  impl_->access.update(map, &key, &block, BPF_NOEXIST);
  return std::nullopt;
}

void KernelSide::forget_block(const leakbpf_block_key& key) const {
  impl_->access.remove(bpf_map__fd(impl_->skeleton->maps.live), &key);
}

int KernelSide::events_fd() const {
  return ring_buffer__epoll_fd(impl_->ring.get());
}

void KernelSide::consume_events(const EventHandler& handle) const {
  *impl_->handler = &handle;
  ring_buffer__consume(impl_->ring.get());
  *impl_->handler = nullptr;
}

} // namespace leakbpf
