// SPDX-License-Identifier: Apache-2.0
#include "render/html_page.h"

#include "assets.h"
#include "core/culprit.h"
#include "core/units.h"
#include "render/frame_table.h"
#include "render/html_frames.h"
#include "render/markup.h"

#include <cmath>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// Lets a path break behind its slashes. Takes markup without tags.
std::string breakable(const std::string& markup) {
  std::string out;
  for (const char c : markup) {
    out += c;
    if (c == '/')
      out += "<wbr>";
  }
  return out;
}

} // namespace

std::string html_page(const std::string& title, const std::string& body, const OutputJson& data) {
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n"
                     // Should a name ever get past the escaping, it still reaches no network.
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
                     "base-uri 'none'; form-action 'none'\">\n"
                     "<link rel=\"icon\" href=\"data:,\">\n";
  page += fmt::format("<title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n",
                      escape_markup(title), assets::page_css, assets::flame_css);
  page += body;
  page += fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n",
                      escape_script_json(json_text(data)));
  page += fmt::format("<script>\n{}{}{}</script>\n</body>\n</html>\n", assets::flame_js,
                      assets::plot_js, assets::page_js);
  return page;
}

std::string html_heading(const std::string& title, const std::string& line) {
  return fmt::format("<header><p class=\"brand\">leakbpf</p><h1>{}</h1><p>{}</p>"
                     "<noscript><p>Plots, stacks and sorting need JavaScript.</p></noscript>"
                     "</header>\n",
                     escape_markup(title), escape_markup(line));
}

std::string html_badge(std::string_view word) {
  return fmt::format("<span class=\"badge {0}\">{0}</span>", escape_markup(word));
}

std::string html_figures(const std::vector<Figure>& figures) {
  std::string html = "<dl class=\"figures\">";
  for (const Figure& figure : figures) {
    html += fmt::format("<div><dt>{}</dt><dd>{}", escape_markup(figure.name),
                        escape_markup(figure.value));
    if (!figure.addition.empty())
      html += fmt::format("<small>{}</small>", breakable(escape_markup(figure.addition)));
    html += "</dd></div>";
  }
  return html + "</dl>\n";
}

std::string html_list(std::string_view class_name, const std::vector<std::string>& sentences) {
  if (sentences.empty())
    return "";
  std::string html = fmt::format("<ul class=\"{}\">", class_name);
  for (const std::string& sentence : sentences)
    html += fmt::format("<li>{}</li>", escape_markup(sentence));
  return html + "</ul>\n";
}

std::string html_table(const std::vector<Column>& columns, const std::string& rows) {
  std::string html = R"(<div class="wide"><table class="sites"><thead><tr>)";
  for (const Column& column : columns)
    html += fmt::format("<th scope=\"col\"{}>{}</th>", column.number ? " class=\"number\"" : "",
                        escape_markup(column.name));
  return html + "</tr></thead>\n<tbody>\n" + rows + "</tbody></table></div>\n";
}

std::string html_number(const std::string& text, std::optional<double> value) {
  const bool known = value && std::isfinite(*value);
  return fmt::format("<td class=\"number\"{}>{}</td>",
                     known ? fmt::format(" data-value=\"{:.10g}\"", *value) : "",
                     escape_markup(text));
}

std::string html_culprit(const Frames& frames, std::size_t culprit, const std::string& source) {
  if (culprit >= frames.size())
    return "<td class=\"culprit\">[unknown]</td>";
  const Frame& frame = frames[culprit];
  std::string html =
      fmt::format("<td class=\"culprit\"><b>{}</b> <span>{}</span>",
                  escape_markup(frame_label(frame)), escape_markup(short_place(frame)));
  if (!source.empty())
    html += fmt::format("<code>{}</code>", escape_markup(source));
  return html + "</td>";
}

std::string format_known_percent(const std::optional<double>& percent) {
  return percent ? fmt::format("{:.0f}%", *percent) : "-";
}

} // namespace leakbpf
