// SPDX-License-Identifier: Apache-2.0
#include "core/reconcile.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;
using Catch::Approx;

namespace {

SiteReport row(leakbpf_kind kind, std::uint64_t outstanding, std::optional<double> error,
               std::uint32_t target = 1) {
  SiteReport site;
  site.key.target = target;
  site.key.kind = kind;
  site.totals = {2 * outstanding, 200, outstanding, 100};
  site.growth_bytes_per_minute = static_cast<double>(outstanding);
  site.estimated = error != 0.0;
  site.standard_error_bytes = error;
  return site;
}

/// Whose blocks grow by so many bytes a minute, and its rows by more.
RoomGrowth heap_of(double growth) {
  RoomGrowth heap;
  heap.most_blocks_rate = growth / 60;
  heap.replaced_rate = 1;
  return heap;
}

} // namespace

TEST_CASE("estimates of more than a process has are scaled down to it", "[reconcile]") {
  std::vector<SiteReport> rows{row(LEAKBPF_KIND_HEAP, 60'000'000, 500'000),
                               row(LEAKBPF_KIND_HEAP, 20'000'000, 500'000),
                               row(LEAKBPF_KIND_HEAP, 60'000'000, 500'000, 2)};
  reconcile(rows, {{1, {16'000'000, {}, {}}}, {2, {100'000'000, {}, {}}}});
  CHECK(rows[0].totals.outstanding_bytes() == 12'000'000);
  CHECK(rows[1].totals.outstanding_bytes() == 4'000'000);
  CHECK(rows[0].totals.outstanding_count() == 20);
  CHECK(rows[0].growth_bytes_per_minute == Approx(12'000'000));
  CHECK(rows[0].scale == Approx(0.2));
  CHECK(rows[2].scale == 1);
  CHECK(*rows[0].standard_error_bytes >= 48'000'000); // the truth may be what was estimated
  CHECK(rows[2].totals.outstanding_bytes() == 60'000'000);
  CHECK(rows[2].standard_error_bytes == 500'000.0);
}

TEST_CASE("what was counted stays, though it is not resident", "[reconcile]") {
  std::vector<SiteReport> rows{row(LEAKBPF_KIND_HEAP, 60'000'000, 0.0),
                               row(LEAKBPF_KIND_MMAP, 60'000'000, 0.0)};
  reconcile(rows, {{1, {16'000'000, {}, {}}}});
  CHECK(rows[0].totals.outstanding_bytes() == 60'000'000);
  CHECK(rows[1].totals.outstanding_bytes() == 60'000'000);
}

TEST_CASE("rows of Python's pools have no more than these", "[reconcile]") {
  std::vector<SiteReport> rows{row(LEAKBPF_KIND_PYTHON, 239'000'000, std::nullopt),
                               row(LEAKBPF_KIND_HEAP, 5'000'000, 100'000)};
  reconcile(rows, {{1, {33'000'000, 20'000'000, {}}}});
  CHECK(rows[0].totals.outstanding_bytes() == 20'000'000);
  CHECK_FALSE(rows[0].standard_error_bytes);
  CHECK(rows[1].totals.outstanding_bytes() == 5'000'000);
}

TEST_CASE("sampled pages grow no faster together than their process", "[reconcile]") {
  std::vector<SiteReport> rows{
      row(LEAKBPF_KIND_PAGES, 12'000'000, 100'000), row(LEAKBPF_KIND_PAGES, 8'000'000, 100'000),
      row(LEAKBPF_KIND_HEAP, 8'000'000, 100'000), row(LEAKBPF_KIND_PAGES, 8'000'000, 100'000, 2)};
  reconcile(rows, {{1, {50'000'000, {}, 10'000'000}}, {2, {50'000'000, {}, 10'000'000}}});
  CHECK(rows[0].growth_bytes_per_minute == Approx(6'000'000));
  CHECK(rows[1].growth_bytes_per_minute == Approx(4'000'000));
  CHECK(rows[1].growth_scale == Approx(0.5));
  CHECK(rows[1].totals.outstanding_bytes() == 8'000'000);
  CHECK(rows[2].growth_bytes_per_minute == Approx(8'000'000));
  CHECK(rows[3].growth_bytes_per_minute == Approx(8'000'000));
}

TEST_CASE("nothing is scaled where nothing is measured", "[reconcile]") {
  std::vector<SiteReport> rows{row(LEAKBPF_KIND_HEAP, 60'000'000, 1.0)};
  reconcile(rows, {{1, {0, {}, {}}}});
  reconcile(rows, {});
  CHECK(rows[0].totals.outstanding_bytes() == 60'000'000);
}

TEST_CASE("small blocks grow no faster together than the heap's blocks do", "[reconcile]") {
  std::vector<SiteReport> rows{row(LEAKBPF_KIND_HEAP, 6'000'000, 500'000),
                               row(LEAKBPF_KIND_HEAP, 60'000'000, 500'000), // of mapped blocks
                               row(LEAKBPF_KIND_MMAP, 6'000'000, 0.0),
                               row(LEAKBPF_KIND_HEAP, 6'000'000, 500'000, 2)};
  reconcile(rows, {{1, {100'000'000, {}, {}, heap_of(1'500'000)}}, {2, {100'000'000, {}, {}}}});
  CHECK(rows[0].growth_bytes_per_minute == Approx(1'500'000));
  CHECK(rows[0].growth_scale == Approx(0.25));
  CHECK(rows[0].totals.outstanding_bytes() == 6'000'000); // it does hold them
  for (const std::size_t other : {1, 2, 3})
    CHECK(rows[other].growth_scale == 1);
}

TEST_CASE("a row that turns much over hides none that leaks", "[reconcile]") {
  std::vector<SiteReport> rows{row(LEAKBPF_KIND_HEAP, 10'000'000, 500'000),
                               row(LEAKBPF_KIND_HEAP, 2'000'000, 500'000)};
  reconcile(rows, {{1, {100'000'000, {}, {}, heap_of(2'000'000)}}});
  CHECK(rows[0].growth_bytes_per_minute == Approx(1'000'000)); // either may be the one
  CHECK(rows[1].growth_bytes_per_minute == Approx(1'000'000));
}

TEST_CASE("where the heap's blocks do not grow no row of it does", "[reconcile]") {
  std::vector<SiteReport> rows{row(LEAKBPF_KIND_HEAP, 10'000'000, 0.0)};
  reconcile(rows, {{1, {100'000'000, {}, {}, heap_of(0)}}});
  CHECK(rows[0].growth_bytes_per_minute == 0.0);
  CHECK(rows[0].growth_scale == 0);
}

TEST_CASE("growth that was brought down to what a process has is not scaled twice", "[reconcile]") {
  std::vector<SiteReport> rows{row(LEAKBPF_KIND_HEAP, 8'000'000, 500'000)};
  reconcile(rows, {{1, {4'000'000, {}, {}, heap_of(2'000'000)}}});
  CHECK(rows[0].growth_bytes_per_minute == Approx(2'000'000));
  CHECK(rows[0].scale * rows[0].growth_scale == Approx(0.25));
}
