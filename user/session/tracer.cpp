// SPDX-License-Identifier: Apache-2.0
// Start, the event loop, and the life of targets. Sampling, ages, rows and reports have files of
// their own.
#include "session/tracer.h"

#include "base/descriptor_limit.h"
#include "core/stack_end.h"
#include "kernel/libbpf_log.h"
#include "python/evaluation_code.h"
#include "target/kernel_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/sysinfo.h>

namespace leakbpf {

namespace {

/// Room for the blocks of processes of this size: one for each 128 bytes, or, where one is followed
/// each `mean_bytes`, for several times as many as that makes; within limits that cost 4 to 64 MiB
/// of kernel memory before the first block.
std::uint32_t live_table_size(std::uint64_t resident_bytes, std::uint64_t mean_bytes) {
  constexpr std::uint64_t smallest = 1 << 18;
  constexpr std::uint64_t largest = 1 << 22;
  const std::uint64_t bytes_of_one = std::clamp<std::uint64_t>(mean_bytes / 16, 128, 4096);
  return static_cast<std::uint32_t>(std::clamp(resident_bytes / bytes_of_one, smallest, largest));
}

/// As many of them as an eighth of the memory that is left can hold, when the table is full.
std::uint32_t fit_into_memory(std::uint32_t blocks) {
  constexpr std::uint64_t bytes_of_one = 128; // of kernel memory, with its share of the buckets
  constexpr std::uint64_t fewest = 1 << 16;
  const auto available =
      number_after(read_kernel_file("/proc/meminfo").value_or(""), "MemAvailable:");
  if (!available)
    return blocks;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(blocks, std::max(*available * 1024 / 8 / bytes_of_one, fewest)));
}

/// What the kernel side is to be like for targets of this size, by what was asked for.
void configure_kernel(TraceOptions& options, std::uint64_t resident_bytes) {
  KernelConfig& kernel = options.kernel;
  kernel.sample_bytes = options.limits.mean_bytes;
  kernel.watch = options.selection.takes_new();
  // Windows would keep costs down that only these two have.
  if (!kernel.heap && !kernel.python)
    options.limits.per_target = options.limits.total = 0;
  kernel.windows = options.limits.per_target > 0 || options.limits.total > 0;
  const std::uint32_t wanted =
      options.max_live.value_or(live_table_size(resident_bytes, options.limits.mean_bytes));
  kernel.max_live = fit_into_memory(wanted);
  if (kernel.max_live < wanted)
    options.inform(
        fmt::format("tracking at most {} blocks, not {}: this machine has little memory left",
                    kernel.max_live, wanted));
}

/// Is there a frame that lies in nothing that is known to be mapped?
bool has_unknown_place(const AddressSpace& space, const leakbpf_stack& stack) {
  for (std::uint32_t at = 0; at < stack.depth; at++) {
    if ((stack.pc[at] & LEAKBPF_PC_PYTHON) != 0)
      at++; // two slots, and no address of native code
    else if (!space.find(stack.pc[at] & ~LEAKBPF_PC_EXACT))
      return true;
  }
  return false;
}

struct WantedProcesses {
  std::vector<pid_t> pids;
  std::uint64_t resident_bytes = 0;
};

/// Those that can be targets now. None is an error, unless others may come.
Result<WantedProcesses> wanted_processes(const ProcFs& proc, const TraceOptions& options) {
  std::vector<pid_t> asked = options.selection.matching(proc);
  for (const pid_t pid : options.pids)
    if (std::find(asked.begin(), asked.end(), pid) == asked.end())
      asked.push_back(pid);
  WantedProcesses wanted;
  std::optional<Error> first_error;
  for (const pid_t pid : asked) {
    if (auto process = inspect_process(proc, pid); process) {
      wanted.pids.push_back(pid);
      if (const auto bytes = proc.resident_bytes(pid))
        wanted.resident_bytes += *bytes;
    } else {
      first_error = first_error.value_or(process.error());
      if (asked.size() > 1 && !options.selection.takes_new())
        options.warn(process.error().message);
    }
  }
  if (wanted.pids.empty() && !options.selection.takes_new())
    return first_error.value_or(Error{ExitCode::usage, "no target given", "use -p PID"});
  return wanted;
}

/// For later, where that can be had: one descriptor for each CPU.
PageFaults open_page_faults(KernelConfig& config) {
  config.pages_on_demand =
      config.pages_on_demand && can_spare_descriptors(static_cast<std::size_t>(get_nprocs_conf()));
  if (!config.pages_on_demand)
    return {};
  auto opened = PageFaults::open();
  config.pages_on_demand = static_cast<bool>(opened);
  return opened ? *std::move(opened) : PageFaults();
}

} // namespace

Tracer::Tracer(const ProcFs& proc, TraceOptions options, BackendCheck backend, KernelSide kernel,
               std::unique_ptr<UnwindService> unwind)
    : proc_(proc), options_(std::move(options)), backend_(std::move(backend)),
      kernel_(std::move(kernel)), unwind_(std::move(unwind)),
      attachments_(proc_, kernel_, options_.hints),
      seccomp_(proc_, backend_.backend, options_.check_seccomp),
      windows_(
          proc_, kernel_, attachments_, options_.limits, backend_.hit_ns / 2 / 1e9,
          [this] { return elapsed(); },
          [this](pid_t pid, const Error& error) { tell_failure(pid, error); }, options_.warn),
      namer_(proc_, [this](std::uint32_t target,
                           std::uint64_t address) { return kernel_.code_deaths(target, address); }),
      sources_(proc_), holders_(options_.show_keys, [this] { return elapsed(); }),
      reach_(proc_, [this] { return elapsed(); }), rooms_(proc_), limits_(proc_) {}

Tracer::~Tracer() {
  try {
    freeze();
  } catch (const std::exception&) { // without memory; the probes go with their links
  }
}

Result<std::unique_ptr<Tracer>> Tracer::start(const ProcFs& proc, TraceOptions options) {
  auto wanted = wanted_processes(proc, options);
  if (!wanted)
    return wanted.error();
  if (auto able = check_preconditions(); !able)
    return able.error();
  raise_descriptor_limit(); // perf events need one for each probe
  auto backend = choose_backend(options.backend);
  if (!backend)
    return backend.error();
  options.kernel.backend = backend->backend;
  PageFaults page_faults = open_page_faults(options.kernel); // first: then rights are given up
  options.backend_chosen(backend->backend);
  configure_kernel(options, wanted->resident_bytes);
  auto kernel = KernelSide::load(options.kernel);
  if (!kernel)
    return kernel.error();
  kernel->keep_page_faults(std::move(page_faults));
  if (auto followed = follow_asked_pages(*kernel, options); !followed)
    return followed.error();
  auto unwind = UnwindService::start(proc, kernel->unwind_maps(), options.kernel.max_frames,
                                     options.python ? TableMarker(mark_python) : TableMarker());
  if (!unwind)
    return unwind.error();
  std::unique_ptr<Tracer> tracer(new Tracer(proc, std::move(options), std::move(*backend),
                                            std::move(*kernel), std::move(*unwind)));
  tracer->sees_page_faults_ = tracer->options_.kernel.pages;
  tracer->started_ = Clock::now();
  tracer->started_at_ = rfc3339(static_cast<std::uint64_t>(time(nullptr)));
  if (auto followed = tracer->follow_all(wanted->pids); !followed)
    return followed.error();
  tracer->started_ = Clock::now();
  for (const auto& [id, target] : tracer->targets_)
    tracer->windows_.start(target.group);
  tracer->options_.attached();
  tracer->tell_begin();
  tracer->inform_of_tables();
  return tracer;
}

TargetState* Tracer::find_target(std::uint32_t id) {
  const auto found = targets_.find(id);
  return found == targets_.end() ? nullptr : &found->second;
}

double Tracer::elapsed() const {
  return std::chrono::duration<double>(Clock::now() - started_).count();
}

bool Tracer::all_ended() const {
  return !options_.selection.takes_new() && living_targets() == 0;
}

bool Tracer::run_until(double deadline, int interrupt_fd) {
  for (;;) {
    follow_events();
    take_finished_stacks();
    attach_pending();
    look_for_targets();
    windows_.run();
    holders_.start();
    double until = std::min(deadline, windows_.next_run());
    for (const Pending& pending : pending_)
      until = std::min(until, pending.due);
    const double wait = until - elapsed();
    if (all_ended() || elapsed() >= deadline)
      return !all_ended();
    std::array<pollfd, 3> fds{pollfd{kernel_.events_fd(), POLLIN, 0},
                              pollfd{interrupt_fd, POLLIN, 0},
                              pollfd{unwind_->finished_fd(), POLLIN, 0}};
    poll(fds.data(), fds.size(), std::max(1, static_cast<int>(wait * 1000)));
    if (fds[1].revents != 0)
      return false;
  }
}

/// Stacks are looked at last: a code object of Python's that is in one may have died meanwhile, and
/// its record come behind.
void Tracer::follow_events() {
  kernel_.consume_events([this](const leakbpf_event& event) { handle(event); });
  for (const leakbpf_event& event : std::exchange(new_stacks_, {}))
    on_new_stack(event);
}

void Tracer::handle(const leakbpf_event& event) {
  TargetState* target = find_target(event.target);
  switch (event.type) {
  case LEAKBPF_EVENT_NEW_STACK:
    new_stacks_.push_back(event);
    break;
  case LEAKBPF_EVENT_CODE_DIED:
    if (target && target->python.process)
      namer_.python_code_died(target->id, *target->python.process,
                              reinterpret_cast<const leakbpf_dead_code&>(event));
    break;
  case LEAKBPF_EVENT_APPEARED:
    await_mappings(static_cast<pid_t>(event.tgid));
    break;
  case LEAKBPF_EVENT_FORK:
    on_fork(event);
    break;
  case LEAKBPF_EVENT_EXEC:
    on_exec(event);
    break;
  case LEAKBPF_EVENT_EXIT:
    on_exit(event.target, describe_wait_status(static_cast<std::uint32_t>(event.argument)));
    break;
  case LEAKBPF_EVENT_RANGE_TAKE:
    if (!target)
      break;
    target->ranges->begin_take(event.tid, event.address, event.length);
    forget_mapped_block(*target, event);
    break;
  case LEAKBPF_EVENT_RANGE_DONE:
    if (!target)
      break;
    target->ranges->finish_take(event.tid, event.argument != 0);
    target->ranges->add(event.address, event.length,
                        {event.stack_hash, LEAKBPF_KIND_MMAP, event.time_ns});
    if (event.length != 0)
      forget_mapped_block(*target, event);
    if (event.argument == LEAKBPF_RANGE_RESERVED)
      reserved_stacks_.insert(event.stack_hash);
    break;
  case LEAKBPF_EVENT_BREAK:
    if (!target)
      break;
    if (event.address > event.argument)
      target->ranges->add(event.argument, event.address - event.argument,
                          {event.stack_hash, LEAKBPF_KIND_BRK, event.time_ns});
    else
      target->ranges->remove(event.address, event.argument - event.address);
    break;
  default:
    break;
  }
}

/// A block in a mapping of its own that was given back, or grew, while no window was open.
void Tracer::forget_mapped_block(const TargetState& target, const leakbpf_event& event) {
  if (!windows_.state(target.group).limited)
    return;
  const leakbpf_block_key place{event.address + LEAKBPF_MAPPED_BLOCK_OFFSET, target.id,
                                LEAKBPF_KIND_HEAP};
  if (const auto block = kernel_.block_at(place); block && block->time_ns < event.time_ns)
    give_back({place, *block});
}

/// A library may be mapped, leak and be gone again: look at once, not at the next refresh.
void Tracer::on_new_stack(const leakbpf_event& event) {
  TargetState* target = find_target(event.target);
  const auto stack = kernel_.read_stack(event.stack_hash);
  if (!target || !stack)
    return;
  if (event.argument != target->space_seen) {
    refresh_mappings(*target);
    target->space_seen = static_cast<std::uint32_t>(event.argument);
  }
  remember(*target, event.stack_hash, *stack);
}

LocatedStack Tracer::locate(const TargetState& target, const AddressSpace& space,
                            const leakbpf_stack& stack) {
  const PythonProcess* python = target.python.process ? &*target.python.process : nullptr;
  LocatedStack located = namer_.locate(target.mapped_by, target.id, space, python, stack);
  if (located.end == LEAKBPF_STACK_ZERO_FRAME)
    settle_end(located);
  return located;
}

/// Takes the stack's addresses apart by what the target has mapped now. True for frames that were
/// not seen before.
bool Tracer::remember(TargetState& target, std::uint64_t hash, const leakbpf_stack& stack) {
  if (places_of_.contains(hash))
    return false;
  if (has_unknown_place(target.space, stack))
    refresh_mappings(target);
  LocatedStack located = locate_walked(target, stack);
  const std::uint64_t places = hash_places(located);
  places_of_.emplace(hash, places);
  const bool ends_early =
      stack.end == LEAKBPF_STACK_ZERO_FRAME && located.end != LEAKBPF_STACK_COMPLETE;
  const bool is_new = stacks_.emplace(places, std::move(located)).second;
  if (is_new && ends_early) // the kernel side could not know
    own_losses_[LEAKBPF_LOSS_UNWIND_FAILED]++;
  return is_new;
}

/// Whether the walk came to its thread's first function, names tell. Mostly that of the last frame:
/// the others' are looked for only if they are needed.
void Tracer::settle_end(LocatedStack& stack) {
  stack.end = LEAKBPF_STACK_COMPLETE; // no note among the names
  if (stack.places.empty() ||
      reaches_first_function(namer_.name({{stack.places.back()}, stack.end})) ||
      reaches_first_function(namer_.name(stack)))
    return;
  stack.end = LEAKBPF_STACK_BAD_FRAME;
}

/// Stacks that came to a file before its unwind table did.
void Tracer::take_finished_stacks() {
  for (FinishedStack& finished : unwind_->take_finished())
    finished_.push_back(finished);
  std::erase_if(finished_, [this](const FinishedStack& finished) {
    TargetState* target = find_target(finished.target);
    if (!target)
      return ended_.contains(finished.target);
    if (target->alive())
      refresh_mappings(*target);
    const bool is_new = remember(*target, finished.hash, finished.stack);
    if (is_new && finished.stack.end == LEAKBPF_STACK_TRUNCATED)
      own_losses_[LEAKBPF_LOSS_UNWIND_TRUNCATED]++;
    else if (is_new && finished.stack.end != LEAKBPF_STACK_COMPLETE &&
             finished.stack.end != LEAKBPF_STACK_ZERO_FRAME)
      own_losses_[LEAKBPF_LOSS_UNWIND_FAILED]++;
    return true;
  });
}

/// The key with the hash of the stack's places, where the stack is known.
SiteKey Tracer::by_place(SiteKey key) {
  auto known = places_of_.find(key.stack_hash);
  if (known == places_of_.end()) { // its event is still to come, or was dropped
    TargetState* target = find_target(key.target);
    const auto stack = key.stack_hash == 0 ? std::nullopt : kernel_.read_stack(key.stack_hash);
    if (!target || !stack || stack->end == LEAKBPF_STACK_NO_TABLE ||
        stack->end == LEAKBPF_STACK_MAPPINGS_BUSY || stack->end == LEAKBPF_STACK_UNREAD)
      return key; // the walk may be finished yet
    remember(*target, key.stack_hash, *stack);
    known = places_of_.find(key.stack_hash);
  }
  key.stack_hash = known->second;
  return key;
}

void Tracer::freeze() {
  const bool again = std::exchange(frozen_, true);
  for (const auto& [id, target] : targets_)
    if (target.alive())
      kernel_.stop_target(target.process.pid);
  windows_.finish();
  for (auto& [id, target] : targets_)
    if (target.alive())
      take_probes_out(target);
  unwind_->drain();
  follow_events();
  take_finished_stacks();
  if (!again)
    holders_.explain_all();
  reach_.finish();
}

} // namespace leakbpf
