// SPDX-License-Identifier: Apache-2.0
// The one place that says what each loss counter means.
#pragma once

#include <leakbpf/abi.h>

#include <string_view>

namespace leakbpf {

struct LossText {
  std::string_view key;     ///< in JSON
  std::string_view meaning; ///< after a number: "12 blocks not tracked: ..."
  std::string_view remedy;  ///< what the user can do; empty: nothing
};

[[nodiscard]] const LossText& loss_text(leakbpf_loss loss);

} // namespace leakbpf
