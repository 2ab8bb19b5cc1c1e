// SPDX-License-Identifier: Apache-2.0
#include "render/pprof.h"

#include "base/gzip.h"
#include "core/losses.h"
#include "render/pprof_tables.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>
#include <optional>

#include <fmt/format.h>

// What readers want beyond the format's own rules, and where that is to be read:
// - Parca (pkg/normalizer/validate.go) checks that ids count up from 1, that string 0 is empty,
//   that each sample has a value for each type and each label a key.
// - Pyroscope (pkg/pprof/pprof.go: Normalize) uses the type of the period without asking whether it
//   is there, and only knows labels that are text; it names sample types as Go's heap profiles do.

namespace leakbpf {

namespace {

struct ValueType {
  std::string_view type;
  std::string_view unit;
};

constexpr std::array<ValueType, 4> sample_types{{{"alloc_objects", "count"},
                                                 {"alloc_space", "bytes"},
                                                 {"inuse_objects", "count"},
                                                 {"inuse_space", "bytes"}}};
constexpr ValueType period_type{"space", "bytes"};

using Values = std::array<std::int64_t, sample_types.size()>; ///< in their order

/// Containers that grow are another view of the same memory: types of their own, which a profile
/// has only when there are any.
constexpr std::array<ValueType, 2> held_types{{{"held_entries", "count"}, {"held_space", "bytes"}}};
using HeldValues = std::array<std::int64_t, held_types.size()>;

/// Only a damaged snapshot has numbers that do not fit.
std::int64_t to_signed(std::uint64_t number) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(number, most));
}

Values values_of(const SiteTotals& totals) {
  return {to_signed(totals.allocated_count), to_signed(totals.allocated_bytes),
          to_signed(totals.outstanding_count()), to_signed(totals.outstanding_bytes())};
}

/// What became of values: after minus before.
template <class Numbers> Numbers difference(Numbers after, const Numbers& before) {
  for (std::size_t i = 0; i < after.size(); i++)
    after.at(i) -= before.at(i);
  return after;
}

Values change_of(const DiffRow& row) {
  const auto values = [](const std::optional<DiffFigures>& side) {
    return side ? values_of(side->totals) : Values{};
  };
  return difference(values(row.after), values(row.before));
}

/// Seconds as nanoseconds; 0 (unknown) when they make no sense.
std::int64_t nanoseconds(double seconds) {
  constexpr double most = 9e9; // 285 years; more does not fit
  return seconds > 0 && seconds < most ? static_cast<std::int64_t>(seconds * 1e9) : 0;
}

/// Takes a number of `digits` digits and the character `end` behind it away from `text`. Nothing
/// when it does not begin so.
std::optional<unsigned> take_number(std::string_view& text, std::size_t digits, char end) {
  unsigned number = 0;
  if (text.size() <= digits || text[digits] != end)
    return std::nullopt;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (error != std::errc{} || stop != text.data() + digits)
    return std::nullopt;
  text.remove_prefix(digits + 1);
  return number;
}

/// "2026-01-31T09:30:00Z" as nanoseconds since the epoch; 0 (unknown) for anything else. That is
/// the form of RFC 3339 in which leakbpf writes its own times.
std::int64_t nanoseconds_at(std::string_view time) {
  namespace chrono = std::chrono;
  std::array<unsigned, 6> parts{};
  constexpr std::array<std::size_t, 6> digits{4, 2, 2, 2, 2, 2};
  constexpr std::string_view ends = "--T::Z";
  for (std::size_t i = 0; i < parts.size(); i++) {
    const auto number = take_number(time, digits.at(i), ends[i]);
    if (!number)
      return 0;
    parts.at(i) = *number;
  }
  const chrono::year_month_day date{chrono::year(static_cast<int>(parts[0])),
                                    chrono::month(parts[1]), chrono::day(parts[2])};
  constexpr unsigned first_year = 1970; // what is before the epoch, or after 2261, does not fit
  constexpr unsigned last_year = 2261;
  if (!time.empty() || !date.ok() || parts[0] < first_year || parts[0] > last_year)
    return 0;
  const chrono::nanoseconds since = chrono::sys_days(date).time_since_epoch() +
                                    chrono::hours(parts[3]) + chrono::minutes(parts[4]) +
                                    chrono::seconds(parts[5]);
  return since.count();
}

class ProfileWriter {
public:
  explicit ProfileWriter(bool with_held) : profile_(data_), with_held_(with_held) {
    for (const ValueType& type : sample_types)
      add_value_type(ProfileField::sample_type, type);
    if (with_held)
      for (const ValueType& type : held_types)
        add_value_type(ProfileField::sample_type, type);
  }

  void add_label(std::string_view key, std::string_view value) {
    if (!value.empty())
      labels_.push_back({tables_.text(key), tables_.text(value)});
  }
  /// With the labels that were added since the one before.
  void add_sample(const Frames& frames, const Values& values, const HeldValues& held = {});
  void add_comment(std::string_view text) { comments_.push_back(tables_.text(text)); }

  /// `period` in bytes; 0: unknown.
  void add_times(const std::string& started_at, double seconds, std::uint64_t period);
  [[nodiscard]] std::string finish(const std::string& main_module);

private:
  struct Label {
    std::int64_t key = 0;
    std::int64_t value = 0;
  };

  void add_value_type(ProfileField field, const ValueType& type) {
    ProtoBuilder<ValueTypeField> message(profile_, field);
    message.add_int64(ValueTypeField::type, tables_.text(type.type));
    message.add_int64(ValueTypeField::unit, tables_.text(type.unit));
  }

  std::string data_;
  ProfileBuilder profile_;
  bool with_held_;
  PprofTables tables_;
  std::vector<Label> labels_;
  std::vector<std::int64_t> comments_;
  std::vector<std::uint64_t> locations_; ///< reused
};

void ProfileWriter::add_sample(const Frames& frames, const Values& values, const HeldValues& held) {
  locations_.clear();
  tables_.add_stack(frames, locations_);
  ProtoBuilder<SampleField> sample(profile_, ProfileField::sample);
  sample.add_packed_uint64(SampleField::location_id, locations_.begin(), locations_.end());
  std::vector<std::int64_t> all(values.begin(), values.end());
  if (with_held_)
    all.insert(all.end(), held.begin(), held.end());
  sample.add_packed_int64(SampleField::value, all.begin(), all.end());
  for (const Label& label : labels_) {
    ProtoBuilder<LabelField> message(sample, SampleField::label);
    message.add_int64(LabelField::key, label.key);
    message.add_int64(LabelField::str, label.value);
  }
  labels_.clear();
}

void ProfileWriter::add_times(const std::string& started_at, double seconds, std::uint64_t period) {
  profile_.add_int64(ProfileField::time_nanos, nanoseconds_at(started_at));
  profile_.add_int64(ProfileField::duration_nanos, nanoseconds(seconds));
  add_value_type(ProfileField::period_type, period_type);
  profile_.add_int64(ProfileField::period, to_signed(period));
}

std::string ProfileWriter::finish(const std::string& main_module) {
  profile_.add_int64(ProfileField::default_sample_type, tables_.text(sample_types.back().type));
  profile_.add_packed_int64(ProfileField::comment, comments_.begin(), comments_.end());
  tables_.write(profile_, main_module);
  return gzip(data_);
}

bool is_empty(const Values& values) {
  return std::all_of(values.begin(), values.end(), [](std::int64_t value) { return value == 0; });
}

std::string_view severity_label(const std::optional<Severity>& severity) {
  return severity ? severity_name(*severity) : "";
}

std::string main_module(const std::vector<TargetReport>& targets) {
  return targets.empty() ? "" : targets.front().executable;
}

void add_losses(ProfileWriter& writer, const Report& report) {
  for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++) {
    const auto which = static_cast<leakbpf_loss>(loss);
    if (const std::uint64_t count = report.losses.at(which); count > 0)
      writer.add_comment(fmt::format("lost: {} {}", count, loss_text(which).meaning));
  }
}

void add_side(ProfileWriter& writer, std::string_view name, const DiffSide& side) {
  writer.add_comment(fmt::format("{}: {}, {}", name, side.file, side.started_at));
  for (const std::string& loss : side.losses)
    writer.add_comment(fmt::format("{}: lost: {}", name, loss));
}

HeldValues values_of(const std::optional<HeldFigures>& side) {
  return side ? HeldValues{to_signed(side->entries), to_signed(side->bytes)} : HeldValues{};
}

HeldValues change_of(const HeldChange& change) {
  return difference(values_of(change.after), values_of(change.before));
}

void add_held(ProfileWriter& writer, const Report& report, const HeldReport& row) {
  writer.add_label("kind", "held");
  writer.add_label("pid", std::to_string(row.pid));
  if (row.target < report.targets.size())
    writer.add_label("process", report.targets[row.target].comm);
  writer.add_label("severity", severity_label(row.verdict.severity));
  writer.add_sample(held_stack(row), {},
                    {to_signed(row.entries), to_signed(row.bytes.value_or(0))});
}

} // namespace

std::string render_pprof(const Report& report) {
  ProfileWriter writer(!report.held.empty());
  for (const SiteReport& site : report.sites) {
    const Values values = values_of(site.totals);
    if (is_empty(values))
      continue;
    writer.add_label("kind", kind_name(site.key.kind));
    writer.add_label("pid", std::to_string(site.pid));
    if (site.target < report.targets.size())
      writer.add_label("process", report.targets[site.target].comm);
    writer.add_label("severity", severity_label(site.verdict.severity));
    writer.add_sample(site.frames, values);
  }
  for (const HeldReport& row : report.held)
    add_held(writer, report, row);
  writer.add_comment("leakbpf " + report.version);
  add_losses(writer, report);
  writer.add_times(report.started_at, report.duration_seconds, report.sampling.mean_bytes);
  return writer.finish(main_module(report.targets));
}

std::string render_pprof(const Diff& diff) {
  ProfileWriter writer(!diff.held.empty());
  for (const DiffRow& row : diff.rows) {
    const Values values = change_of(row);
    if (is_empty(values))
      continue;
    writer.add_label("kind", kind_name(row.kind));
    writer.add_label("change", change_name(row.change));
    const auto& worst = row.after && row.after->severity ? row.after : row.before;
    writer.add_label("severity", severity_label(worst ? worst->severity : std::nullopt));
    writer.add_sample(row.frames, values);
  }
  for (const HeldChange& change : diff.held) {
    writer.add_label("kind", "held");
    writer.add_label("change", change_name(change.change));
    writer.add_sample(held_stack(change.row), {}, change_of(change));
  }
  writer.add_comment("leakbpf " + diff.version);
  add_side(writer, "before", diff.before);
  add_side(writer, "after", diff.after);
  writer.add_times(diff.after.started_at, diff.after.duration_seconds, 0);
  return writer.finish(main_module(diff.after.targets));
}

} // namespace leakbpf
