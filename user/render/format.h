// SPDX-License-Identifier: Apache-2.0
// One place that knows every format.
#pragma once

#include "core/diff.h"
#include "core/report.h"
#include "render/painter.h"

#include <optional>
#include <string>
#include <string_view>

namespace leakbpf {

enum class Format { table, json, compact, folded, pprof, svg, html, speedscope };

/// The format that a file's name asks for: ".json", ".leakbpf", ".folded", ".pb.gz", ".pprof",
/// ".svg", ".html", ".speedscope.json", ".txt"; nothing for others.
[[nodiscard]] std::optional<Format> format_of_name(std::string_view file);

[[nodiscard]] std::string render(const Report& report, Format format, const TableStyle& style);
/// `rows` is of the table. A diff has no compact form: it is made as JSON.
[[nodiscard]] std::string render(const Diff& diff, Format format, const TableStyle& style,
                                 std::size_t rows);

} // namespace leakbpf
