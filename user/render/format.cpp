// SPDX-License-Identifier: Apache-2.0
#include "render/format.h"

#include "base/gzip.h"
#include "render/compact.h"
#include "render/diff_json.h"
#include "render/diff_table.h"
#include "render/flame_svg.h"
#include "render/folded.h"
#include "render/html.h"
#include "render/json.h"
#include "render/pprof.h"
#include "render/speedscope.h"
#include "render/table.h"

#include <array>
#include <utility>

namespace leakbpf {

namespace {

// A table of numbers packs nearly as well quickly.
constexpr int compact_level = 3;

} // namespace

std::optional<Format> format_of_name(std::string_view file) {
  // The longer ending first.
  constexpr std::array<std::pair<std::string_view, Format>, 9> endings{
      {{".speedscope.json", Format::speedscope},
       {".json", Format::json},
       {".leakbpf", Format::compact},
       {".folded", Format::folded},
       {".pb.gz", Format::pprof},
       {".pprof", Format::pprof},
       {".svg", Format::svg},
       {".html", Format::html},
       {".txt", Format::table}}};
  for (const auto& [ending, format] : endings)
    if (file.ends_with(ending))
      return format;
  return std::nullopt;
}

std::string render(const Report& report, Format format, const TableStyle& style) {
  switch (format) {
  case Format::table:
    return render_table(report, style);
  case Format::compact:
    return gzip(render_compact(report), compact_level);
  case Format::folded:
    return render_folded(report);
  case Format::pprof:
    return render_pprof(report);
  case Format::svg:
    return render_svg(report);
  case Format::html:
    return render_html(report);
  case Format::speedscope:
    return render_speedscope(report);
  default:
    return render_json(report);
  }
}

std::string render(const Diff& diff, Format format, const TableStyle& style, std::size_t rows) {
  switch (format) {
  case Format::table:
    return render_table(diff, style, rows);
  case Format::folded:
    return render_folded(diff);
  case Format::pprof:
    return render_pprof(diff);
  case Format::svg:
    return render_svg(diff);
  case Format::html:
    return render_html(diff);
  case Format::speedscope:
    return render_speedscope(diff);
  default:
    return render_json(diff);
  }
}

} // namespace leakbpf
