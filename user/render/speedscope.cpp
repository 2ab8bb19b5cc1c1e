// SPDX-License-Identifier: Apache-2.0
#include "render/speedscope.h"

#include "render/frame_table.h"
#include "render/json_frame.h"
#include "render/markup.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace leakbpf {

namespace {

using Json = nlohmann::ordered_json;

/// The frames that all profiles share.
class SharedFrames {
public:
  /// Indices of a stack's frames, the outermost first.
  [[nodiscard]] Json stack(const Frames& frames);
  [[nodiscard]] Json take() { return std::move(shown_); }

private:
  using Key = std::tuple<std::string, std::string, std::uint32_t>; ///< name, file, line

  [[nodiscard]] std::size_t index(const FrameRef& frame);
  [[nodiscard]] std::size_t shown_index(const Frame& frame);

  FrameRef unknown_ = Frame{};
  FrameTable frames_;
  std::vector<std::size_t> indices_; ///< into shown_, by the number of the frame
  std::map<Key, std::size_t> known_;
  Json shown_ = Json::array();
};

std::size_t SharedFrames::shown_index(const Frame& frame) {
  const Key key{clean_text(frame_label(frame)),
                clean_text(frame.file.empty() ? frame.module : frame.file), frame.line};
  const auto [known, is_new] = known_.try_emplace(key, shown_.size());
  if (is_new) {
    const auto& [name, file, line] = key;
    Json shown{{"name", name}};
    if (!file.empty())
      shown["file"] = file;
    if (line != 0)
      shown["line"] = line;
    shown_.push_back(std::move(shown));
  }
  return known->second;
}

std::size_t SharedFrames::index(const FrameRef& frame) {
  const std::uint32_t number = frames_.number(frame);
  if (number == indices_.size())
    indices_.push_back(shown_index(frame));
  return indices_[number];
}

Json SharedFrames::stack(const Frames& frames) {
  Json::array_t stack;
  stack.reserve(frames.size());
  for (std::size_t i = frames.size(); i-- > 0;)
    stack.emplace_back(index(frames[i]));
  if (frames.empty())
    stack.emplace_back(index(unknown_));
  return stack;
}

/// One profile: stacks, each with its bytes.
class Samples {
public:
  void add(const Json& stack, std::uint64_t bytes) {
    if (bytes == 0)
      return;
    stacks_.push_back(stack);
    weights_.emplace_back(bytes);
    total_ += bytes;
  }
  [[nodiscard]] bool empty() const { return weights_.empty(); }
  [[nodiscard]] Json profile(const std::string& name) && {
    Json json;
    json["type"] = "sampled";
    json["name"] = clean_text(name);
    json["unit"] = "bytes";
    json["startValue"] = 0;
    json["endValue"] = total_;
    json["samples"] = std::move(stacks_);
    json["weights"] = std::move(weights_);
    return json;
  }

private:
  Json::array_t stacks_;
  Json::array_t weights_;
  std::uint64_t total_ = 0;
};

std::string file_text(const std::string& name, const std::string& version, Json frames,
                      Json profiles) {
  Json json;
  json["$schema"] = "https://www.speedscope.app/file-format-schema.json";
  json["name"] = clean_text(name);
  json["exporter"] = clean_text("leakbpf " + version);
  json["activeProfileIndex"] = 0;
  json["shared"]["frames"] = std::move(frames);
  json["profiles"] = std::move(profiles);
  return json_text(json) + "\n";
}

struct TargetSamples {
  std::string name;
  Samples outstanding;
  Samples allocated;
  Samples held;
};

std::string target_name(const TargetReport& target) {
  return fmt::format("{} ({})", target.comm, target.pid);
}

/// One for each target, and a last one for sites whose target the report does not have.
std::vector<TargetSamples> collect_samples(const Report& report, SharedFrames& frames) {
  std::vector<TargetSamples> targets;
  for (const TargetReport& target : report.targets)
    targets.push_back({target_name(target), {}, {}, {}});
  targets.push_back({"other processes", {}, {}, {}});
  for (const SiteReport& site : report.sites) {
    if (site.totals.allocated_bytes == 0)
      continue;
    TargetSamples& target = targets[std::min(site.target, report.targets.size())];
    const Json stack = frames.stack(site.frames);
    target.outstanding.add(stack, site.totals.outstanding_bytes());
    target.allocated.add(stack, site.totals.allocated_bytes);
  }
  for (const HeldReport& row : report.held)
    targets[std::min(row.target, report.targets.size())].held.add(frames.stack(held_stack(row)),
                                                                  row.bytes.value_or(0));
  return targets;
}

} // namespace

std::string render_speedscope(const Report& report) {
  SharedFrames frames;
  Json profiles = Json::array();
  std::vector<TargetSamples> targets = collect_samples(report, frames);
  for (TargetSamples& target : targets) {
    if (!target.outstanding.empty())
      profiles.push_back(std::move(target.outstanding).profile(target.name + ": outstanding"));
    if (!target.allocated.empty())
      profiles.push_back(std::move(target.allocated).profile(target.name + ": allocated"));
    if (!target.held.empty())
      profiles.push_back(std::move(target.held).profile(target.name + ": growing containers"));
  }
  // Speedscope does not open a file without profiles.
  if (profiles.empty())
    profiles.push_back(Samples().profile(targets.front().name + ": outstanding"));
  const std::string name = report.targets.empty() ? "leakbpf" : targets.front().name;
  return file_text(name, report.version, frames.take(), std::move(profiles));
}

std::string render_speedscope(const Diff& diff) {
  SharedFrames frames;
  Samples grew;
  Samples shrank;
  for (const DiffRow& row : diff.rows) {
    const std::uint64_t before = row.before ? row.before->totals.outstanding_bytes() : 0;
    const std::uint64_t after = row.after ? row.after->totals.outstanding_bytes() : 0;
    if (before == after)
      continue;
    const Json stack = frames.stack(row.frames);
    if (after > before)
      grew.add(stack, after - before);
    else
      shrank.add(stack, before - after);
  }
  const Json profiles{std::move(grew).profile("grew"), std::move(shrank).profile("shrank")};
  return file_text(fmt::format("{} to {}", diff.before.file, diff.after.file), diff.version,
                   frames.take(), profiles);
}

} // namespace leakbpf
