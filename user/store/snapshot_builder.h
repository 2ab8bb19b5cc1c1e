// SPDX-License-Identifier: Apache-2.0
// Makes a report of the pieces of a snapshot file.
#pragma once

#include "core/frame_hash.h"
#include "core/report.h"
#include "store/json_pieces.h"
#include "store/stack_table.h"

#include <optional>
#include <unordered_set>
#include <vector>

namespace leakbpf {

/// Takes the pieces in any order, as other programs that rewrite JSON may sort them.
class SnapshotBuilder : public PieceSink {
public:
  /// `name` is what errors call the file.
  explicit SnapshotBuilder(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] bool wants(std::string_view key) override;
  [[nodiscard]] bool take(const JsonPlace& place, InputJson& piece) override;

  /// The document cannot be read, whatever else is in it: it is something else, or newer.
  [[nodiscard]] const std::optional<Error>& wrong_schema() const { return wrong_schema_; }
  /// After the last piece.
  [[nodiscard]] Result<Report> finish();

private:
  /// What a site refers to, which may come after it.
  struct References {
    std::optional<std::uint64_t> target;
    std::optional<std::uint64_t> stack;
  };

  void take_element(const JsonPlace& place, const InputJson& piece);
  void take_site(const Fields& fields);
  void take_held(const Fields& fields);
  void connect_held(const Fields& fields, HeldReport& row,
                    const std::optional<std::uint64_t>& target);
  void connect_site(const Fields& fields, SiteReport& site, const References& references);
  [[nodiscard]] std::optional<std::size_t> target_of(std::int32_t pid,
                                                     std::optional<std::uint64_t> index) const;
  [[nodiscard]] FrameRef shared(Frame frame);
  [[nodiscard]] Error field_error() const;

  std::string name_;
  Report report_;
  bool has_targets_ = false;
  bool has_sites_ = false;
  InputJson head_ = InputJson::object();                   ///< members that are no lists
  std::vector<References> references_;                     ///< of Report::sites
  std::vector<std::optional<std::uint64_t>> held_targets_; ///< what rows of Report::held refer to
  std::unordered_set<FrameRef, FrameHash, FrameEqual> frames_;
  StackTable stacks_;
  Problem problem_;
  std::optional<Error> wrong_schema_;
};

} // namespace leakbpf
