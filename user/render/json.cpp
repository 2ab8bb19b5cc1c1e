// SPDX-License-Identifier: Apache-2.0
#include "render/json.h"

#include "render/json_snapshot.h"

namespace leakbpf {

std::string render_json(const Report& report) {
  JsonLines out("leakbpf.snapshot/1");
  write_head(out, report);
  FrameLists frames;
  out.list("sites", report.sites, [&](std::string& text, const SiteReport& site) {
    append_object(text, site_json(site), [&](std::string& members) {
      frames.append(members, site.frames, site.culprit, site.source);
    });
  });
  write_tail(out, report);
  return std::move(out).finish();
}

} // namespace leakbpf
