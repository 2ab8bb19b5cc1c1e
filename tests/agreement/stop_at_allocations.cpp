// SPDX-License-Identifier: Apache-2.0
// Has a process stop at about one in N returns of its allocation functions, for whoever debugs it.
//
//   stop_at_allocations PID N OBJECT FUNCTION...
//
// Says "ready" when it has attached, and goes on until its standard input ends; nothing of it
// stays. Functions that OBJECT lacks are left out.
#include "stop.skel.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <bpf/libbpf.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace {

struct SkeletonCloser {
  void operator()(stop_bpf* skeleton) const { stop_bpf__destroy(skeleton); }
};
struct LinkCloser {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkCloser>;

int only_errors(libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_WARN ? std::vfprintf(stderr, format, arguments) : 0;
}

Link attach(const stop_bpf& skeleton, int pid, const char* object, const char* function) {
  bpf_uprobe_opts options{};
  options.sz = sizeof(options);
  options.func_name = function;
  options.retprobe = true;
  options.bpf_cookie = std::string_view(function) == "posix_memalign" ? 1 : 0;
  return Link(bpf_program__attach_uprobe_opts(skeleton.progs.on_return, pid, object, 0, &options));
}

void wait_for_end_of_input() {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: stop_at_allocations PID N OBJECT FUNCTION...\n");
    return 2;
  }
  const int pid = std::atoi(argv[1]);
  const double one_in = std::atof(argv[2]);
  if (pid <= 0 || one_in < 1)
    return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  libbpf_set_print(only_errors);
  const std::unique_ptr<stop_bpf, SkeletonCloser> skeleton(stop_bpf__open());
  if (!skeleton)
    return 1;
  skeleton->rodata->config_threshold = static_cast<std::uint32_t>(UINT32_MAX / one_in);
  if (const int error = stop_bpf__load(skeleton.get())) {
    std::fprintf(stderr, "stop_at_allocations: %s\n", std::strerror(-error));
    return 1;
  }
  libbpf_set_print(nullptr); // about functions that there are not
  std::vector<Link> links;
  for (int i = 4; i < argc; i++)
    if (Link link = attach(*skeleton, pid, argv[3], argv[i]))
      links.push_back(std::move(link));
  if (links.empty()) {
    std::fprintf(stderr, "stop_at_allocations: no probe in %s: %s\n", argv[3],
                 std::strerror(errno));
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  wait_for_end_of_input();
  return 0;
}
