// SPDX-License-Identifier: Apache-2.0
// A report for a file: JSON, schema leakbpf.snapshot-compact/1. It is leakbpf.snapshot/1 but for
// the stacks:
//   "frame_table": [FRAME...]            each distinct frame once, as a stack of the other form
//                                        has it
//   "stack_table": {"outer": [n...],     a tree of stacks, a row a frame: how many rows before
//                   "frame": [n...]}     this one the frame that called it is, 0: there is none;
//                                        and which of frame_table it is
//   a site's "stack_id": n               the row of its innermost frame, in place of "frames";
//                                        null: it has no frames
//   a site's "source": "..."             text of the culprit's line, where it is known
// Stacks share their outer frames in such a tree, as they do in heaptrack's files and in the
// profiles of Firefox (stackTable, frameTable).
#pragma once

#include "core/report.h"

#include <string>

namespace leakbpf {

/// UTF-8 with a final newline, not compressed. Fewer than 2^32 frames in all. Bytes in names that
/// are no UTF-8 become U+FFFD. Everything that a report holds can be read back, see
/// store/snapshot_reader.h.
[[nodiscard]] std::string render_compact(const Report& report);

} // namespace leakbpf
