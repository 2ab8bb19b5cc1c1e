// SPDX-License-Identifier: Apache-2.0
#include "render/compact.h"

#include "render/frame_table.h"
#include "render/json_snapshot.h"

#include <cstdint>
#include <numeric>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// Stacks as paths from the outermost frame inwards, which share their beginnings, and the frames
/// in them.
class StackTree {
public:
  /// `frames` is how many there are in all stacks.
  explicit StackTree(std::size_t frames) { row_of_.reserve(frames); }

  struct Row {
    std::uint32_t outer = 0; ///< rows before this one; 0: outermost
    std::uint32_t frame = 0;
  };

  /// The row of the innermost frame. `frames` is not empty.
  std::uint32_t add(const Frames& frames) {
    return std::accumulate(frames.rbegin(), frames.rend(), none,
                           [this](std::uint32_t outer, const FrameRef& frame) {
                             return inner_row(outer, number_of(frame));
                           });
  }
  /// The distinct frames, in the order of their numbers.
  [[nodiscard]] const Frames& frames() const { return frames_; }
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

private:
  static constexpr std::uint32_t none = UINT32_MAX;

  std::uint32_t number_of(const FrameRef& frame) {
    const std::uint32_t number = numbers_.number(frame);
    if (number == frames_.size()) // a new one
      frames_.push_back(frame);
    return number;
  }
  std::uint32_t inner_row(std::uint32_t outer, std::uint32_t frame) {
    const auto next = static_cast<std::uint32_t>(rows_.size());
    const auto [row, is_new] =
        row_of_.emplace((static_cast<std::uint64_t>(outer) << 32) | frame, next);
    if (is_new)
      rows_.push_back({outer == none ? 0 : next - outer, frame});
    return row->second;
  }

  FrameTable numbers_;
  Frames frames_;
  std::vector<Row> rows_;
  std::unordered_map<std::uint64_t, std::uint32_t> row_of_;
};

std::size_t frame_count(const Report& report) {
  return std::accumulate(
      report.sites.begin(), report.sites.end(), std::size_t{0},
      [](std::size_t sum, const SiteReport& site) { return sum + site.frames.size(); });
}

void append_column(std::string& out, const char* name, const std::vector<StackTree::Row>& rows,
                   std::uint32_t StackTree::Row::*value) {
  out += name;
  char separator = '[';
  for (const StackTree::Row& row : rows) {
    out += std::exchange(separator, ',');
    const fmt::format_int digits(row.*value);
    out.append(digits.data(), digits.size());
  }
  out += rows.empty() ? "[]" : "]";
}

} // namespace

std::string render_compact(const Report& report) {
  JsonLines out("leakbpf.snapshot-compact/1");
  write_head(out, report);
  StackTree stacks(frame_count(report));
  out.list("sites", report.sites, [&](std::string& text, const SiteReport& site) {
    OutputJson json = site_json(site);
    json["culprit"] = site.frames.empty() ? OutputJson(nullptr) : OutputJson(site.culprit);
    if (!site.source.empty())
      json["source"] = site.source;
    json["stack_id"] =
        site.frames.empty() ? OutputJson(nullptr) : OutputJson(stacks.add(site.frames));
    text += json_text(json);
  });
  out.list("frame_table", stacks.frames(),
           [](std::string& text, const FrameRef& frame) { text += json_text(frame_json(frame)); });
  std::string columns;
  append_column(columns, "{\"outer\":", stacks.rows(), &StackTree::Row::outer);
  append_column(columns, ",\n  \"frame\":", stacks.rows(), &StackTree::Row::frame);
  out.text_member("stack_table", columns + "}");
  write_tail(out, report);
  return std::move(out).finish();
}

} // namespace leakbpf
