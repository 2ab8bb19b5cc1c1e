// SPDX-License-Identifier: Apache-2.0
// Names of Python frames. A code object is read when it is first seen in a stack, because it may
// die; what is the same code is known as the same, wherever it lay.
#pragma once

#include "core/report.h"
#include "python/code_object.h"

#include <deque>
#include <functional>
#include <map>
#include <tuple>
#include <vector>

namespace leakbpf {

/// How often code at an address like this one died, in a target.
using DeathCounter = std::function<std::uint32_t(std::uint32_t target, std::uint64_t address)>;

class PythonNames {
public:
  explicit PythonNames(DeathCounter deaths) : deaths_(std::move(deaths)) {}

  /// A number for the code that a stack's two slots name, in the target `target`. Code that cannot
  /// be read any more has a number too.
  [[nodiscard]] std::uint32_t code_of(std::uint32_t target, const ProcessMemory& memory,
                                      const PythonLayout& layout, std::uint64_t address,
                                      std::uint32_t check);
  /// A code object died: it is named now if a stack had it that came too late to read it, or that
  /// is still to come.
  void code_died(std::uint32_t target, const PythonLayout& layout, const leakbpf_dead_code& record);
  /// The target has ended: nothing is at its addresses any more. Numbers stay.
  void forget_target(std::uint32_t target);
  /// Python itself shows no frame there: it is still being set up, or a helper of the
  /// interpreter's.
  [[nodiscard]] bool is_hidden(std::uint32_t code, std::uint32_t instruction) const;
  /// The frame of code number `code` at an instruction.
  [[nodiscard]] Frame name(std::uint32_t code, std::uint32_t instruction) const;
  /// Code objects that had died, or made no sense, when they were looked at.
  [[nodiscard]] std::uint64_t unreadable() const { return unreadable_; }

private:
  struct KnownCode {
    std::optional<CodeObject> object; ///< nothing: unreadable
    LineTableKind lines = LineTableKind::locations;
    std::uint32_t instructions = 0; ///< where the bytecode begins in the object
  };
  using Place = std::tuple<std::uint32_t, std::uint64_t, std::uint32_t>; ///< target, address, check
  /// With where its bytecode begins: that differs from one version to the next.
  using Identity = std::tuple<std::string, std::string, std::uint32_t, std::vector<std::uint8_t>,
                              std::uint32_t, std::uint32_t>;

  std::uint32_t add(KnownCode code);
  void bury(const Place& place);
  std::uint32_t add_object(CodeObject object, const PythonLayout& layout);

  DeathCounter deaths_;
  std::map<Place, std::uint32_t> by_place_;
  std::deque<Place> dead_; ///< the oldest first: a place of dead code is not asked for much longer
  std::map<Identity, std::uint32_t> by_content_;
  std::vector<KnownCode> codes_;
  std::uint64_t unreadable_ = 0;
};

} // namespace leakbpf
