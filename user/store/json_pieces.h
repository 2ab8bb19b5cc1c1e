// SPDX-License-Identifier: Apache-2.0
// Reads a JSON document piece by piece, so that a large one never is a tree in memory.
#pragma once

#include "store/json_fields.h"

#include <leakbpf/result.h>

#include <string>
#include <string_view>

namespace leakbpf {

/// Takes the members of a document, one after the other.
class PieceSink {
public:
  virtual ~PieceSink() = default;

  /// Asked when a member begins: whether it is to be taken; others are passed over.
  [[nodiscard]] virtual bool wants(std::string_view key) = 0;
  /// A whole member, or, when it is a list, its next element: then `place` has an index. An empty
  /// list is not told of. False: nothing more is wanted.
  [[nodiscard]] virtual bool take(const JsonPlace& place, InputJson& piece) = 0;
};

/// Gives the members of the object that `text` is to `sink`, in their order, up to the end or until
/// it wants no more. Members of a key that comes twice come twice. `name` is said in errors:
/// ExitCode::io when the text is empty, cut off, no JSON, no object, nested deeper than 64, or when
/// one piece has more than 16 million values.
[[nodiscard]] Result<void> read_pieces(std::string_view text, const std::string& name,
                                       PieceSink& sink);

} // namespace leakbpf
