// SPDX-License-Identifier: Apache-2.0
// Quantities that are sampled together, over time, in bounded memory.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// Series that share their times. When there are `max_points` of them, every other one is dropped
/// and from then on half as many are kept.
template <class Key, class Hash = std::hash<Key>> class SeriesTable {
public:
  explicit SeriesTable(std::size_t max_points = 128) : max_points_(max_points) {}

  /// Begins a sample at `t` seconds. False when it is not to be kept (thinned out).
  bool begin_sample(double t) {
    if (skipped_++ % stride_ != 0)
      return false;
    if (times_.size() >= max_points_)
      thin();
    times_.push_back(t);
    return true;
  }
  /// The value of `key` in the sample that was begun last. A key that was absent before was 0.
  void put(const Key& key, double value) {
    std::vector<double>& series = series_[key];
    series.resize(times_.size(), series.empty() ? 0.0 : series.back());
    series.back() = value;
  }
  /// The same after samples in which the value was not known: it went there in a straight line.
  void put_after_gap(const Key& key, double value) {
    std::vector<double>& series = series_[key];
    const std::size_t known = series.size();
    put(key, value);
    if (known == 0)
      return;
    const double from = series[known - 1];
    const double begin = times_[known - 1];
    const double length = times_.back() - begin;
    for (std::size_t i = known; i + 1 < series.size(); i++)
      series[i] = from + (value - from) * (times_[i] - begin) / length;
  }
  void forget(const Key& key) { series_.erase(key); }
  /// `gone` is asked about pairs of a key and its series.
  template <class Predicate> void forget_if(const Predicate& gone) { std::erase_if(series_, gone); }

  [[nodiscard]] const std::vector<double>& times() const { return times_; }
  /// Values for the first of times(); may be shorter when the key was not put lately.
  [[nodiscard]] const std::vector<double>* values(const Key& key) const {
    const auto found = series_.find(key);
    return found == series_.end() ? nullptr : &found->second;
  }

private:
  template <class T> static void keep_even(std::vector<T>& items) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < items.size(); i += 2)
      items[kept++] = items[i];
    items.resize(kept);
  }
  void thin() {
    keep_even(times_);
    for (auto& [key, series] : series_)
      keep_even(series);
    stride_ *= 2;
  }

  std::size_t max_points_;
  std::size_t stride_ = 1;
  std::size_t skipped_ = 0;
  std::vector<double> times_;
  std::unordered_map<Key, std::vector<double>, Hash> series_;
};

} // namespace leakbpf
