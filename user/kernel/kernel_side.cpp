// SPDX-License-Identifier: Apache-2.0
// Loading, targets and events.
#include "base/descriptor_limit.h"
#include "core/sampling.h"
#include "kernel/kernel_side_impl.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

namespace leakbpf {

namespace {

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

} // namespace

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

bool KernelSide::share_target(pid_t pid, std::uint32_t window) {
  return change_target(pid, [&](leakbpf_target& target) {
    target.shared = 1;
    target.window = window;
  });
}

bool KernelSide::follow_pages_of(pid_t pid) {
  return change_target(pid, [](leakbpf_target& target) { target.pages = LEAKBPF_PAGES_OWN; });
}

std::optional<std::uint32_t> KernelSide::target_id(pid_t pid) const {
  const auto tgid = static_cast<std::uint32_t>(pid);
  leakbpf_target target{};
  if (!impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.targets), &tgid, &target))
    return std::nullopt;
  return target.id;
}

bool KernelSide::put_python(std::uint32_t id, const leakbpf_python& python) {
  return impl_->access.update(bpf_map__fd(impl_->skeleton->maps.pythons), &id, &python, BPF_ANY);
}

void KernelSide::stop_target(pid_t pid) {
  const auto tgid = static_cast<std::uint32_t>(pid);
  impl_->access.remove(bpf_map__fd(impl_->skeleton->maps.targets), &tgid);
}

UnwindMaps KernelSide::unwind_maps() const {
  return {impl_->skeleton.get(), impl_->access};
}

int KernelSide::events_fd() const {
  return ring_buffer__epoll_fd(impl_->ring.get());
}

void KernelSide::consume_events(const EventHandler& handle) {
  *impl_->handler = &handle;
  ring_buffer__consume(impl_->ring.get());
  *impl_->handler = nullptr;
}

} // namespace leakbpf
