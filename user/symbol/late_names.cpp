// SPDX-License-Identifier: Apache-2.0
#include "symbol/late_names.h"

#include "core/culprit.h"
#include "symbol/debuginfod.h"
#include "symbol/module.h"

#include <filesystem>
#include <map>
#include <optional>
#include <unordered_map>

namespace leakbpf {

namespace {

namespace fs = std::filesystem;

/// A folder like a root directory, in which a debug file lies where it is looked for.
class DebugRoot {
public:
  DebugRoot() {
    std::string name = (fs::temp_directory_path() / "leakbpf-debug.XXXXXX").string();
    if (mkdtemp(name.data()))
      path_ = name;
  }
  DebugRoot(const DebugRoot&) = delete;
  DebugRoot& operator=(const DebugRoot&) = delete;
  ~DebugRoot() {
    std::error_code ignored;
    if (!path_.empty())
      fs::remove_all(path_, ignored);
  }
  void add(const std::string& build_id, const std::string& file) const {
    if (path_.empty() || build_id.size() < 3)
      return;
    const fs::path folder = path_ / "usr/lib/debug/.build-id" / build_id.substr(0, 2);
    std::error_code ignored;
    fs::create_directories(folder, ignored);
    const fs::path place = folder / (build_id.substr(2) + ".debug");
    std::error_code problem; // a link to a place outside would not be followed
    fs::create_hard_link(file, place, problem);
    if (problem)
      fs::copy_file(file, place, ignored);
  }
  [[nodiscard]] std::string path() const { return path_.string(); }

private:
  fs::path path_;
};

/// Only hex digits: it becomes part of paths.
bool is_build_id(const std::string& text) {
  return text.size() >= 8 && text.size() <= 64 &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

class LateNamer {
public:
  explicit LateNamer(std::optional<Debuginfod> servers) : servers_(std::move(servers)) {}

  /// The frames that `frame` is, when more is found than is known.
  const std::optional<Frames>& better(const FrameRef& frame) {
    const auto known = done_.find(frame.id());
    if (known != done_.end())
      return known->second;
    return done_.emplace(frame.id(), look(frame)).first->second;
  }

private:
  [[nodiscard]] bool lacks_names(const Frame& frame) const {
    if (frame.kind != FrameKind::native || !frame.offset || !is_build_id(frame.build_id))
      return false;
    return frame.function.empty() || (servers_ && frame.file.empty());
  }

  std::optional<Frames> look(const Frame& frame) {
    if (!lacks_names(frame))
      return std::nullopt;
    const Module* module = module_of(frame);
    if (!module)
      return std::nullopt;
    Frames frames;
    // All but the frame that a signal interrupted are return addresses; a snapshot does not tell. A
    // tail call's is where its function begins.
    std::vector<SourceFrame> sources = module->resolve(*frame.offset, !frame.tail_call);
    if (frame.tail_call) // of what is inlined there nothing is known to have run
      sources.erase(sources.begin(), sources.end() - 1);
    for (SourceFrame& source : sources) {
      Frame named = frame;
      named.function = std::move(source.function);
      named.file = std::move(source.file);
      named.line = source.line;
      named.inlined = source.inlined;
      frames.emplace_back(std::move(named));
    }
    if (frames.empty() || frames.front()->function.empty())
      return std::nullopt;
    return frames;
  }

  const Module* module_of(const Frame& frame) {
    const auto known = modules_.find({frame.build_id, frame.module});
    if (known != modules_.end())
      return known->second ? &*known->second : nullptr;
    auto module = open_local(frame);
    if (servers_)
      if (auto fetched = open_fetched(frame.build_id, module ? frame.module : ""))
        module = std::move(fetched);
    const auto& kept =
        modules_.emplace(std::pair(frame.build_id, frame.module), std::move(module)).first->second;
    return kept ? &*kept : nullptr;
  }

  /// The file of that name, if it is still the same.
  static std::optional<Module> open_local(const Frame& frame) {
    if (frame.module.empty() || frame.module.front() != '/')
      return std::nullopt;
    auto module = Module::open(frame.module, "");
    if (!module || module->build_id() != frame.build_id)
      return std::nullopt;
    return std::move(*module);
  }

  /// With the debug file of a server; `local` is the executable, when it is here.
  std::optional<Module> open_fetched(const std::string& build_id, const std::string& local) {
    const std::string debug = servers_->debug_file(build_id);
    const std::string executable = local.empty() ? servers_->executable(build_id) : local;
    if (executable.empty())
      return std::nullopt; // without it, where a place in the file is in memory is not known
    if (!debug.empty())
      root_.add(build_id, debug);
    auto module = Module::open(executable, root_.path());
    if (!module)
      return std::nullopt;
    return std::move(*module);
  }

  std::optional<Debuginfod> servers_;
  DebugRoot root_;
  /// By build ID and path: the same file may be here by another name.
  std::map<std::pair<std::string, std::string>, std::optional<Module>> modules_;
  std::unordered_map<const Frame*, std::optional<Frames>> done_;
};

/// True when a frame got a better name.
bool name_frames(SiteReport& site, LateNamer& namer) {
  Frames named;
  bool changed = false;
  for (const FrameRef& frame : site.frames) {
    if (const auto& better = namer.better(frame)) {
      named.insert(named.end(), better->begin(), better->end());
      changed = true;
    } else {
      named.push_back(frame);
    }
  }
  if (changed)
    site.frames = std::move(named);
  return changed;
}

} // namespace

Result<void> name_late(Report& report, bool debuginfod) {
  std::optional<Debuginfod> servers;
  if (debuginfod) {
    auto opened = Debuginfod::open();
    if (!opened)
      return opened.error();
    servers = std::move(*opened);
  }
  LateNamer namer(std::move(servers));
  bool any = false;
  for (SiteReport& site : report.sites)
    any = name_frames(site, namer) || any;
  if (any)
    find_culprits(report);
  return {};
}

} // namespace leakbpf
