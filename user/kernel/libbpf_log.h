// SPDX-License-Identifier: Apache-2.0
// libbpf prints on stderr by itself; only main may.
#pragma once

#include <cstdarg>

#include <bpf/libbpf.h>

namespace leakbpf {

/// While it lives, libbpf prints nothing.
class QuietLibbpf {
public:
  QuietLibbpf() : before_(libbpf_set_print(&print_nothing)) {}
  QuietLibbpf(const QuietLibbpf&) = delete;
  QuietLibbpf& operator=(const QuietLibbpf&) = delete;
  ~QuietLibbpf() { libbpf_set_print(before_); }

private:
  static int print_nothing(libbpf_print_level /*level*/, const char* /*format*/, va_list /*args*/) {
    return 0;
  }
  libbpf_print_fn_t before_;
};

} // namespace leakbpf
