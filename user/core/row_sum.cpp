// SPDX-License-Identifier: Apache-2.0
#include "core/row_sum.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace leakbpf {

double growth_in_memory(const SiteReport& site) {
  const double growth = site.growth_bytes_per_minute.value_or(0);
  const auto outstanding = static_cast<double>(site.totals.outstanding_bytes());
  if (!site.resident_bytes || outstanding <= 0)
    return growth;
  return growth * static_cast<double>(*site.resident_bytes) / outstanding;
}

bool is_sparse(const SiteReport& site) {
  return site.resident_bytes && 2 * *site.resident_bytes < site.totals.outstanding_bytes();
}

double sustained_growth(const SiteReport& site) {
  constexpr double megabyte = 1024.0 * 1024.0;
  const double growth = std::max(growth_in_memory(site), 0.0);
  switch (site.verdict.severity.value_or(Severity::none)) {
  case Severity::none:
    return 0;
  case Severity::low:
    return std::min(growth, megabyte);
  case Severity::medium:
    return std::min(growth, 5 * megabyte);
  default:
    return growth;
  }
}

RowSum::RowSum(SiteReport first)
    : row_(std::move(first)), named_bytes_(row_.totals.outstanding_bytes()),
      sustained_(sustained_growth(row_)) {}

void RowSum::add(const SiteReport& more) {
  add_numbers(more, sustained_growth(more));
}

void RowSum::add(const RowSum& more) {
  add_numbers(more.row_, more.sustained_);
}

void RowSum::add_by_size(SiteReport more) {
  add(more);
  if (const std::uint64_t bytes = more.totals.outstanding_bytes(); bytes > named_bytes_)
    take_names(std::move(more), bytes);
}

void RowSum::add_by_size(const RowSum& more) {
  add(more);
  if (more.named_bytes_ > named_bytes_)
    take_names(SiteReport(more.row_), more.named_bytes_);
}

/// Reasons stay those of the row whose growth weighs most.
void RowSum::add_numbers(const SiteReport& more, double brought) {
  if (brought > sustained_growth(row_) && more.score >= row_.score)
    row_.verdict.reasons = more.verdict.reasons;
  sustained_ += brought;
  if (more.verdict.severity)
    row_.verdict.severity =
        std::max(row_.verdict.severity.value_or(Severity::none),
                 sustained_ > 0 ? severity_of_growth(sustained_ * 0.999) : Severity::none);
  if (more.score)
    row_.score = std::max(row_.score.value_or(0), *more.score);
  // Of what nobody looked at all may be resident.
  if (row_.resident_bytes || more.resident_bytes)
    row_.resident_bytes = row_.resident_bytes.value_or(row_.totals.outstanding_bytes()) +
                          more.resident_bytes.value_or(more.totals.outstanding_bytes());
  row_.totals += more.totals;
  row_.stacks += more.stacks;
  row_.estimated = row_.estimated || more.estimated;
  if (row_.standard_error_bytes && more.standard_error_bytes)
    row_.standard_error_bytes = std::hypot(*row_.standard_error_bytes, *more.standard_error_bytes);
  else
    row_.standard_error_bytes.reset();
  row_.old_survival_percent.reset(); // of different sizes
  row_.reach.reset();
  row_.series.clear();
  if (more.growth_bytes_per_minute)
    row_.growth_bytes_per_minute =
        row_.growth_bytes_per_minute.value_or(0) + *more.growth_bytes_per_minute;
  if (more.oldest_age_seconds)
    row_.oldest_age_seconds =
        std::max(row_.oldest_age_seconds.value_or(0), *more.oldest_age_seconds);
  row_.median_age_seconds.reset(); // medians do not add up
}

void RowSum::take_names(SiteReport&& more, std::uint64_t bytes) {
  named_bytes_ = bytes;
  row_.pid = more.pid;
  row_.key = more.key;
  row_.target = more.target;
  row_.frames = std::move(more.frames);
  row_.culprit = more.culprit;
  row_.source = std::move(more.source);
}

} // namespace leakbpf
