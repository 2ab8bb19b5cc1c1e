// SPDX-License-Identifier: Apache-2.0
#include "unwind/unwind_service.h"

#include "base/descriptor_limit.h"
#include "base/event.h"
#include "base/memory_error.h"
#include "base/start_signals.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

namespace leakbpf {

namespace {

constexpr std::chrono::milliseconds fresh_enough{20};
/// Spaces whose mappings were told; to tell them again does no harm.
constexpr std::size_t most_described = 4096;
constexpr std::size_t most_seen = 256;

void clear_event(const UniqueFd& event) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(event.get(), &count, sizeof(count));
}

} // namespace

void UnwindService::RingCloser::operator()(ring_buffer* ring) const {
  ring_buffer__free(ring);
}

UnwindService::UnwindService(const ProcFs& proc, UnwindMaps maps, std::uint32_t max_frames,
                             TableMarker mark)
    : proc_(proc), maps_(maps), tables_(proc, maps, std::move(mark)), late_(proc),
      max_frames_(max_frames),
      ring_(ring_buffer__new(maps.requests_map(), &UnwindService::on_record, this, nullptr)),
      finished_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      stop_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<std::unique_ptr<UnwindService>> UnwindService::start(const ProcFs& proc, UnwindMaps maps,
                                                            std::uint32_t max_frames,
                                                            TableMarker mark) {
  std::unique_ptr<UnwindService> service(
      new UnwindService(proc, maps, max_frames, std::move(mark)));
  const bool ready = service->ring_ && service->finished_event_ && service->stop_event_;
  if (!ready && is_descriptor_shortage(errno))
    return descriptor_shortage(errno);
  if (!ready)
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot map the buffer of unwind requests: {}", std::strerror(errno)),
                 ""};
  try {
    const SignalsBlocked blocked;
    service->thread_ = std::thread([&service = *service] { service.work(); });
  } catch (const std::system_error&) {
    return no_more_threads();
  }
  return service;
}

UnwindService::~UnwindService() {
  signal_event(stop_event_);
  if (thread_.joinable())
    thread_.join();
}

void UnwindService::work() {
  std::array<pollfd, 2> fds{pollfd{ring_buffer__epoll_fd(ring_.get()), POLLIN, 0},
                            pollfd{stop_event_.get(), POLLIN, 0}};
  for (;;) {
    poll(fds.data(), fds.size(), -1);
    if (fds[1].revents != 0)
      return;
    try {
      drain();
    } catch (const std::exception&) { // memory ran out
      const std::scoped_lock lock(finished_mutex_);
      thrown_ = std::current_exception();
      signal_event(finished_event_);
      return;
    }
  }
}

void UnwindService::drain() {
  const std::scoped_lock lock(ring_mutex_);
  ring_buffer__consume(ring_.get());
}

int UnwindService::on_record(void* context, void* data, std::size_t size) {
  const auto* request = static_cast<const leakbpf_unwind_request*>(data);
  if (size >= LEAKBPF_UNWIND_REQUEST_HEADER)
    static_cast<UnwindService*>(context)->handle(*request, size >= sizeof(*request));
  return 0;
}

void UnwindService::describe_space(std::uint32_t space, pid_t pid) {
  describe(space, tables_.load_for(pid));
}

void UnwindService::describe(std::uint32_t space, std::span<const leakbpf_mapped_code> mapped) {
  const std::scoped_lock lock(described_mutex_);
  if (described_.size() > most_described && !described_.contains(space))
    described_.clear();
  auto& known = described_[space];
  for (const leakbpf_mapped_code& code : mapped)
    if (known.insert(code.start).second)
      maps_.put_mapping(space, code);
}

/// Listing the mappings holds up the target's own changes to them, so many stacks that come at once
/// share one list.
const std::vector<leakbpf_mapped_code>&
UnwindService::mapped_by(const leakbpf_unwind_request& request, bool has_stack) {
  const auto now = std::chrono::steady_clock::now();
  if (seen_.size() > most_seen)
    seen_.clear();
  Seen& seen = seen_[request.target];
  const bool fresh = now - seen.when < fresh_enough;
  if (!has_stack && fresh)
    return seen.mapped; // a program that opens and closes all the time; stacks ask for themselves
  if (fresh && seen.space == request.space && find_code(seen.mapped, request.frame.pc))
    return seen.mapped;
  seen = {now, request.space, tables_.load_for(static_cast<pid_t>(request.tgid))};
  // On stacked file systems /proc names another file than the kernel's walker does.
  if (has_stack && request.code.file.inode != 0) {
    tables_.load(static_cast<pid_t>(request.tgid), request.code);
    std::erase_if(seen.mapped, [&](const leakbpf_mapped_code& code) {
      return code.start == request.code.start;
    });
    seen.mapped.push_back(request.code);
  }
  // Else another library may lie by now where the one lay that the walk came through.
  if (maps_.space_of(request.tgid) == request.space)
    describe(request.space, seen.mapped);
  return seen.mapped;
}

/// A program that lives for some milliseconds is gone when its stacks are to be named. `again`:
/// what was seen before is old.
void UnwindService::see_maps(const leakbpf_unwind_request& request, bool again) {
  if (!again && !maps_seen(request.target).empty())
    return;
  auto text = proc_.read(static_cast<pid_t>(request.tgid), "maps");
  if (!text || text->empty())
    return;
  const std::scoped_lock lock(maps_mutex_);
  if (maps_seen_.size() > most_seen)
    maps_seen_.clear();
  maps_seen_[request.target] = std::move(*text);
}

std::string UnwindService::maps_seen(std::uint32_t target) {
  const std::scoped_lock lock(maps_mutex_);
  const auto seen = maps_seen_.find(target);
  return seen == maps_seen_.end() ? "" : seen->second;
}

/// What is behind the copy is read when it is asked for, where it was not before.
void UnwindService::finish(const leakbpf_unwind_request& request, std::vector<std::uint8_t> memory,
                           std::optional<LateRead> late,
                           std::span<const leakbpf_mapped_code> mapped, leakbpf_stack& stack) {
  constexpr std::uint64_t refusal_ns = 60'000'000'000;
  const leakbpf_stack begun = stack;
  finish_stack(request, memory, mapped, max_frames_, maps_, tables_, stack);
  if (stack.end == LEAKBPF_STACK_UNREADABLE && !late) {
    late = late_.extend(request, memory);
    if (late == LateRead::found) {
      stack = begun;
      finish_stack(request, memory, mapped, max_frames_, maps_, tables_, stack);
    }
  }
  if (stack.end == LEAKBPF_STACK_UNREADABLE && late != LateRead::changed)
    maps_.refuse_walk(request.walk_hash, request.time_ns + refusal_ns);
}

void UnwindService::handle(const leakbpf_unwind_request& request, bool has_stack) {
  std::vector<std::uint8_t> memory;
  std::optional<LateRead> late;
  if (has_stack) {
    const auto copied = std::min<std::uint64_t>(request.copied, LEAKBPF_STACK_COPY_BYTES);
    memory.assign(request.memory, request.memory + copied);
    if (copied < LEAKBPF_STACK_COPY_BYTES) // first of all: the thread goes on meanwhile
      late = late_.extend(request, memory);
  }
  see_maps(request, !has_stack);
  const auto& mapped = mapped_by(request, has_stack);
  if (!has_stack)
    return;
  auto stack = maps_.stack(request.stack_hash);
  if (!stack)
    return;
  finish(request, std::move(memory), late, mapped, *stack);
  const FinishedStack finished{request.target, request.stack_hash, *stack};
  {
    const std::scoped_lock lock(finished_mutex_);
    finished_.push_back(finished);
  }
  signal_event(finished_event_);
}

std::vector<FinishedStack> UnwindService::take_finished() {
  clear_event(finished_event_);
  const std::scoped_lock lock(finished_mutex_);
  if (thrown_)
    std::rethrow_exception(std::exchange(thrown_, nullptr));
  return std::exchange(finished_, {});
}

} // namespace leakbpf
