// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot_builder.h"

#include "base/escape.h"
#include "store/snapshot_fields.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr unsigned newest_version = 1;

/// A member that is a list, and how long it may be: more than any run gives, and little enough to
/// be held in memory.
struct ListMember {
  std::string_view key;
  std::size_t most;
};

constexpr std::array<ListMember, 6> list_members{{{"targets", 1 << 20},
                                                  {"sites", 1 << 22},
                                                  {"held", 1 << 16},
                                                  {"history", 1 << 24},
                                                  {"series_t_s", 1 << 20},
                                                  {"frame_table", 1 << 22}}};

constexpr std::array<std::string_view, 11> head_members{
    "schema",   "tool",   "host",       "started_at", "duration_s", "sampling",
    "overhead", "losses", "suppressed", "site_count", "stack_table"};

const ListMember* find_list(std::string_view key) {
  const auto* list = std::find_if(list_members.begin(), list_members.end(),
                                  [&](const ListMember& member) { return member.key == key; });
  return list == list_members.end() ? nullptr : list;
}

/// The version of a schema "FAMILYn"; nothing when it is of another family.
std::optional<unsigned> version_of(std::string_view schema, std::string_view family) {
  if (!schema.starts_with(family))
    return std::nullopt;
  schema.remove_prefix(family.size());
  unsigned version = 0;
  const char* end = schema.data() + schema.size();
  const auto [stop, error] = std::from_chars(schema.data(), end, version);
  if (error != std::errc() || stop != end || version == 0)
    return std::nullopt;
  return version;
}

/// What keeps a document of this schema from being read.
std::optional<Error> schema_error(const InputJson& json, const std::string& name) {
  const std::string schema = json.is_string() ? json.get<std::string>() : "";
  for (const std::string_view family : {"leakbpf.snapshot/", "leakbpf.snapshot-compact/"}) {
    const auto version = version_of(schema, family);
    if (version && *version <= newest_version)
      return std::nullopt;
    if (version)
      return Error{
          ExitCode::io,
          fmt::format("{} was written by a newer leakbpf: schema {}; this one reads up to {}", name,
                      schema, newest_version),
          "update leakbpf"};
  }
  if (schema.starts_with("leakbpf.diff/"))
    return Error{ExitCode::io, name + " is a comparison of snapshots, not a snapshot",
                 "give one of the two snapshots that it was made of"};
  constexpr std::size_t shown = 60;
  return Error{ExitCode::io,
               schema.empty() ? name + " is not a leakbpf snapshot: it names no schema"
                              : fmt::format("{} is not a leakbpf snapshot: its schema is {}", name,
                                            escape_controls(schema.substr(0, shown))),
               "`leakbpf snapshot -o FILE` writes one"};
}

} // namespace

bool SnapshotBuilder::wants(std::string_view key) {
  has_targets_ |= key == "targets";
  has_sites_ |= key == "sites";
  return find_list(key) != nullptr ||
         std::find(head_members.begin(), head_members.end(), key) != head_members.end();
}

bool SnapshotBuilder::take(const JsonPlace& place, InputJson& piece) {
  if (place.index) {
    if (!problem_.found())
      take_element(place, piece);
  } else {
    if (place.key == "schema")
      wrong_schema_ = schema_error(piece, name_);
    head_[std::string(place.key)] = std::move(piece);
  }
  // What is wrong with a member may be because the schema is another one: that is told first.
  return !wrong_schema_ && !(problem_.found() && head_.contains("schema"));
}

void SnapshotBuilder::take_element(const JsonPlace& place, const InputJson& piece) {
  const ListMember* list = find_list(place.key);
  const JsonPlace whole{nullptr, place.key, std::nullopt};
  if (list == nullptr)
    return problem_.note(whole, "is a list");
  if (*place.index >= list->most)
    return problem_.note(whole, fmt::format("has more than {} elements", list->most));
  if (list->key == "series_t_s") {
    double& time = report_.series_times.emplace_back();
    if (const std::string_view what = convert(piece, time); !what.empty())
      problem_.note(place, what);
    return;
  }
  const Fields fields(piece, place, problem_);
  if (list->key == "targets")
    report_.targets.push_back(read_target(fields));
  else if (list->key == "sites")
    take_site(fields);
  else if (list->key == "held")
    take_held(fields);
  else if (list->key == "history")
    report_.history.push_back(read_history_point(fields));
  else
    stacks_.add_frame(read_frame(fields));
}

void SnapshotBuilder::take_site(const Fields& fields) {
  References& references = references_.emplace_back();
  fields.read("target", references.target);
  fields.read("stack_id", references.stack);
  SiteReport& site = report_.sites.emplace_back(read_site(fields));
  fields.read("source", site.source);
  fields.each("frames", [&](const InputJson& json, const JsonPlace& place) {
    const Fields frame(json, place, problem_);
    site.frames.push_back(shared(read_frame(frame)));
    if (place.index == site.culprit)
      frame.read("source", site.source);
  });
  if (site.rank == 0)
    site.rank = report_.sites.size();
}

void SnapshotBuilder::take_held(const Fields& fields) {
  fields.read("target", held_targets_.emplace_back());
  HeldReport& row = report_.held.emplace_back(read_held(fields));
  if (row.rank == 0)
    row.rank = report_.held.size();
}

void SnapshotBuilder::connect_held(const Fields& fields, HeldReport& row,
                                   const std::optional<std::uint64_t>& target) {
  if (const auto found = target_of(row.pid, target))
    row.target = *found;
  else
    fields.note("target", fmt::format("is none of the {} targets", report_.targets.size()));
}

FrameRef SnapshotBuilder::shared(Frame frame) {
  const auto known = frames_.find(frame);
  return known != frames_.end() ? *known : *frames_.emplace(std::move(frame)).first;
}

/// By its index, else by its PID.
std::optional<std::size_t> SnapshotBuilder::target_of(std::int32_t pid,
                                                      std::optional<std::uint64_t> index) const {
  if (index)
    return *index < report_.targets.size() ? index : std::nullopt;
  const auto target =
      std::find_if(report_.targets.begin(), report_.targets.end(),
                   [&](const TargetReport& candidate) { return candidate.pid == pid; });
  if (target == report_.targets.end())
    return std::nullopt;
  return static_cast<std::size_t>(target - report_.targets.begin());
}

void SnapshotBuilder::connect_site(const Fields& fields, SiteReport& site,
                                   const References& references) {
  if (const auto target = target_of(site.pid, references.target)) {
    site.target = *target;
    site.key.target = static_cast<std::uint32_t>(*target);
  } else {
    fields.note("target", fmt::format("is none of the {} targets", report_.targets.size()));
  }
  if (references.stack && !stacks_.stack(*references.stack, site.frames))
    fields.note("stack_id", "is not a row of stack_table, or the stacks are too large");
  if (site.frames.empty()) // no culprit, no line of it
    site.source.clear();
  if (site.culprit >= std::max<std::size_t>(site.frames.size(), 1))
    fields.note("culprit", fmt::format("is none of the {} frames", site.frames.size()));
  if (!site.series.empty() && site.series.size() != report_.series_times.size())
    fields.note("series", "is not as long as series_t_s");
}

Error SnapshotBuilder::field_error() const {
  return {ExitCode::io, fmt::format("cannot read {}: {}", name_, problem_.text()),
          "the file is damaged, or was changed after leakbpf wrote it"};
}

Result<Report> SnapshotBuilder::finish() {
  if (!head_.contains("schema"))
    return *schema_error(InputJson(), name_);
  const JsonPlace document;
  const Fields head(head_, document, problem_);
  for (const ListMember& list : list_members)
    if (head.find(list.key) != nullptr)
      head.note(list.key, "is no list");
  if (!has_targets_)
    head.note("targets", "is missing");
  if (!has_sites_)
    head.note("sites", "is missing");
  read_run(head, report_);
  if (const InputJson* json = head.find("stack_table")) {
    const JsonPlace place = head.at("stack_table");
    stacks_.read(Fields(*json, place, problem_));
  }
  const InputJson no_members = InputJson::object();
  for (std::size_t i = 0; i < report_.sites.size() && !problem_.found(); i++) {
    const JsonPlace place{nullptr, "sites", i};
    connect_site(Fields(no_members, place, problem_), report_.sites[i], references_[i]);
  }
  for (std::size_t i = 0; i < report_.held.size() && !problem_.found(); i++) {
    const JsonPlace place{nullptr, "held", i};
    connect_held(Fields(no_members, place, problem_), report_.held[i], held_targets_[i]);
  }
  if (problem_.found())
    return field_error();
  report_.site_count = std::max(report_.site_count, report_.sites.size());
  return std::move(report_);
}

} // namespace leakbpf
