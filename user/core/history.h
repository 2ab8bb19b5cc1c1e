// SPDX-License-Identifier: Apache-2.0
// Quantities that are sampled together, over time, in bounded memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace leakbpf {

/// What several quantities were at one time. Whole and not negative: of tens of thousands of sites
/// few hold 4 GB, so the upper halves are kept only as far as there are any.
class SeriesColumn {
public:
  explicit SeriesColumn(std::size_t rows) { lower_.reserve(rows); }

  void set(std::size_t row, double value) {
    const auto whole = static_cast<std::uint64_t>(std::max(std::round(value), 0.0));
    const auto upper = static_cast<std::uint32_t>(whole >> 32);
    if (row >= lower_.size())
      lower_.resize(row + 1);
    lower_[row] = static_cast<std::uint32_t>(whole);
    if (upper != 0 && row >= upper_.size())
      upper_.resize(row + 1);
    if (row < upper_.size())
      upper_[row] = upper;
  }
  /// 0 for a row that was never set.
  [[nodiscard]] double at(std::size_t row) const {
    const std::uint64_t upper = row < upper_.size() ? upper_[row] : 0;
    const std::uint64_t lower = row < lower_.size() ? lower_[row] : 0;
    return static_cast<double>(upper << 32 | lower);
  }
  /// No more rows are to come for now.
  void trim() {
    lower_.shrink_to_fit();
    upper_.shrink_to_fit();
  }

private:
  std::vector<std::uint32_t> lower_;
  std::vector<std::uint32_t> upper_;
};

/// Drops every other item, of which the first stays.
template <class T> void keep_even(std::vector<T>& items) {
  for (std::size_t i = 2; i < items.size(); i += 2)
    items[i / 2] = std::move(items[i]);
  items.erase(items.begin() + static_cast<std::ptrdiff_t>((items.size() + 1) / 2), items.end());
}

/// Some of many items, spread over all of them: when there are `most`, every other one is dropped,
/// and from then on half as many are kept.
template <class T, std::size_t most> class ThinnedList {
public:
  void add(T item) {
    if (skipped_++ % stride_ != 0)
      return;
    if (items_.size() >= most) {
      keep_even(items_);
      stride_ *= 2;
    }
    items_.push_back(std::move(item));
  }
  [[nodiscard]] const std::vector<T>& items() const { return items_; }

private:
  std::vector<T> items_;
  std::size_t stride_ = 1;
  std::size_t skipped_ = 0;
};

/// Series that share their times. When there are `max_points` of them, every other one is dropped
/// and from then on half as many are kept. Values are kept time by time, not key by key, so that a
/// sample is written in one piece and thinning out is cheap; a key whose value was 0 so far takes
/// no room. Values are rounded to whole numbers, and not negative.
template <class Key, class Hash = std::hash<Key>> class SeriesTable {
public:
  explicit SeriesTable(std::size_t max_points = 128) : max_points_(max_points) {}

  /// Begins a sample at `t` seconds. False when it is not to be kept (thinned out).
  bool begin_sample(double t) {
    if (skipped_++ % stride_ != 0)
      return false;
    if (times_.size() >= max_points_)
      thin();
    if (!columns_.empty())
      columns_.back().trim();
    times_.push_back(t);
    columns_.emplace_back(rows_);
    return true;
  }
  /// The value of `key` in the sample that was begun last. A key that was absent before was 0.
  void put(const Key& key, double value) {
    Series& series = series_[key];
    if (const auto row = row_for(series, value)) {
      const double last = series.known > 0 ? columns_[series.known - 1].at(*row) : 0;
      for (std::size_t i = series.known; i + 1 < columns_.size(); i++)
        columns_[i].set(*row, last);
      columns_.back().set(*row, value);
    }
    series.known = static_cast<std::uint32_t>(columns_.size());
  }
  /// The same after samples in which the value was not known: it went there in a straight line.
  void put_after_gap(const Key& key, double value) {
    const Series before = series_[key];
    put(key, value);
    const Series& series = series_[key];
    if (before.known == 0 || series.row == no_row)
      return;
    const double from = columns_[before.known - 1].at(series.row);
    const double begin = times_[before.known - 1];
    const double length = times_.back() - begin;
    for (std::size_t i = before.known; i + 1 < columns_.size(); i++)
      columns_[i].set(series.row, from + (value - from) * (times_[i] - begin) / length);
  }
  void forget(const Key& key) {
    const auto found = series_.find(key);
    if (found == series_.end())
      return;
    if (found->second.row != no_row) {
      for (SeriesColumn& column : columns_)
        column.set(found->second.row, 0);
      free_rows_.push_back(found->second.row);
    }
    series_.erase(found);
  }

  [[nodiscard]] const std::vector<double>& times() const { return times_; }
  /// Values for the first of times(); may be fewer when the key was not put lately.
  [[nodiscard]] std::optional<std::vector<double>> values(const Key& key) const {
    std::vector<double> values;
    return read(key, values) ? std::optional(std::move(values)) : std::nullopt;
  }
  /// The same into `values`. False when the key is not known.
  bool read(const Key& key, std::vector<double>& values) const {
    const auto found = series_.find(key);
    if (found == series_.end())
      return false;
    const Series& series = found->second;
    values.assign(series.known, 0);
    for (std::size_t i = 0; i < series.known && series.row != no_row; i++)
      values[i] = columns_[i].at(series.row);
    return true;
  }
  /// The value at times()[index]; nothing when it is not known.
  [[nodiscard]] std::optional<double> value_at(const Key& key, std::size_t index) const {
    const auto found = series_.find(key);
    if (found == series_.end() || index >= found->second.known)
      return std::nullopt;
    return found->second.row == no_row ? 0 : columns_[index].at(found->second.row);
  }

private:
  static constexpr std::uint32_t no_row = ~0U; ///< it was 0 so far
  struct Series {
    std::uint32_t row = no_row;
    std::uint32_t known = 0; ///< for so many of the times
  };

  std::optional<std::uint32_t> row_for(Series& series, double value) {
    if (series.row == no_row && value > 0) {
      series.row = rows_;
      if (free_rows_.empty()) {
        rows_++;
      } else {
        series.row = free_rows_.back();
        free_rows_.pop_back();
      }
    }
    return series.row == no_row ? std::nullopt : std::optional(series.row);
  }
  void thin() {
    keep_even(times_);
    keep_even(columns_);
    for (auto& [key, series] : series_)
      series.known = (series.known + 1) / 2;
    stride_ *= 2;
  }

  std::size_t max_points_;
  std::size_t stride_ = 1;
  std::size_t skipped_ = 0;
  std::vector<double> times_;
  std::vector<SeriesColumn> columns_; ///< one for each of the times
  std::uint32_t rows_ = 0;            ///< of the columns
  std::vector<std::uint32_t> free_rows_;
  std::unordered_map<Key, Series, Hash> series_;
};

} // namespace leakbpf
