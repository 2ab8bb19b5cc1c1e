// SPDX-License-Identifier: Apache-2.0
// Sampling of heap blocks by bytes: each byte has the same chance (a Poisson process along the
// bytes that are allocated), so that a block of s bytes is followed with 1 - e^(-s/mean). A block
// that is followed stands for the inverse of that many: sums stay unbiased (Horvitz and Thompson,
// "A generalization of sampling without replacement", 1952).
#pragma once

#include <leakbpf/abi.h>

#include <array>
#include <cstdint>

namespace leakbpf {

using SamplingWeights =
    std::array<std::array<std::uint32_t, LEAKBPF_SAMPLING_COLUMNS>, LEAKBPF_SAMPLING_ROWS>;

/// The chance that a block of `bytes` is followed, 0 to 1. `mean_bytes` is at least 1; at 1 it
/// is 1.
[[nodiscard]] double sampling_chance(double bytes, double mean_bytes);

/// The table that the BPF programs use (leakbpf/abi.h), for a mean of `mean_bytes` between samples.
/// Blocks that share a column share a weight, which is exact all the same, since their chance is
/// made from it. None is above 2^24 / 256: of the smallest blocks more are followed than a mean
/// above 64 KiB asks for.
[[nodiscard]] SamplingWeights sampling_weights(std::uint64_t mean_bytes);

/// The row of that table whose mean is nearest to `mean_bytes` * `share`; 0 < share <= 1.
[[nodiscard]] std::uint32_t sampling_row(std::uint64_t mean_bytes, double share);
/// The mean of a row, at least 1.
[[nodiscard]] double sampling_row_mean(std::uint64_t mean_bytes, std::uint32_t row);

/// Standard error of a sum of bytes that was estimated as `bytes` in `count` blocks, from blocks
/// followed by sampling with `mean_bytes` during `duty`, 0 to 1, of the time. Taken from the
/// average block: sizes that vary much make it smaller than it is.
[[nodiscard]] double sampling_error(double bytes, double count, double mean_bytes, double duty);

/// Standard error of the bytes in `count` pages, estimated from one in `pages_per_sample` of them.
[[nodiscard]] double page_sampling_error(double count, double pages_per_sample);

} // namespace leakbpf
