// SPDX-License-Identifier: Apache-2.0
// Watches the containers of one Python process from outside, and explains those that grow: who
// holds them, what is in them, which lines fill them. No probe, no stop, no write.
#pragma once

#include "core/held.h"
#include "core/python_file.h"
#include "held/container_watch.h"
#include "held/contents.h"
#include "held/growth_pattern.h"
#include "held/loose_objects.h"
#include "held/path_roots.h"
#include "held/store_finder.h"
#include "held/type_watch.h"
#include "python/python_process.h"
#include "target/open_files.h"
#include "target/proc_fs.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// A row, with what others can say of it.
struct HeldFinding {
  HeldReport row;
  double rate = 0;                              ///< bytes a second
  double rise = 0;                              ///< bytes, since it is watched
  double projected = 0;                         ///< as Trend::projected, in bytes a second
  PythonOwner owner = PythonOwner::application; ///< of what holds it
  bool holds_nothing = false;                   ///< only weak references are in it
  /// Where tables of its containers are: a block that was taken there says by its stack who made
  /// it larger.
  std::vector<std::uint64_t> tables;
};

/// What is read of a process, live or recorded.
struct HeldSource {
  std::unique_ptr<ProcessMemory> memory;
  std::unique_ptr<PresentPages> pages;
  std::function<std::vector<HeapRange>()> heap; ///< as it is now; empty: the process is gone
  /// What it has open; not set for a recorded one.
  std::function<std::optional<OpenFiles>()> open_files;
  pid_t pid = 0;
};

/// It has many members, as all that is asked of a heap is asked of one scan of it: what is found in
/// one place is looked up in another.
class HeldWatch {
public:
  /// Fails for a process whose objects are not understood. `proc` must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<HeldWatch>> make(const ProcFs& proc, pid_t pid,
                                                               const PythonProcess& python);
  [[nodiscard]] static Result<std::unique_ptr<HeldWatch>> make(HeldSource source,
                                                               const PythonProcess& python);
  /// Finds the containers there are. `t`: seconds, of a clock that all calls share.
  void scan(double t);
  /// Reads the size of each.
  void sample(double t);
  /// Finds out about those that grow. What is known stays for a while.
  void explain(double t);
  /// Those that grow and are explained, one for each path, the one that grows fastest first.
  [[nodiscard]] std::vector<HeldFinding> findings() const;
  [[nodiscard]] const ScanCounts& counts() const { return census_.counts; }
  /// Are its objects where they are looked for? True as long as that is not known.
  [[nodiscard]] bool finds_objects() const {
    return !since_ || counts().objects > 0 || counts().unread() > 0;
  }
  void show_keys(bool show) { show_keys_ = show; }

private:
  /// What is known of all containers of one path.
  struct Facts {
    double at = 0;
    std::uint64_t container = 0; ///< that was looked at
    PythonOwner owner = PythonOwner::application;
    std::string type;
    Contents contents;
    double bytes_of_entry = 0; ///< of all, on average
    std::vector<HeldLine> lines;
    std::string no_line;
    std::optional<HeldPattern> pattern;
    std::string fix;
    ConnectionEvidence connections;
    bool bounded = false;       ///< it says itself how large it may become
    bool holds_nothing = false; ///< only weak references
  };
  struct Loose {
    LooseObjects objects;
    std::vector<HeldLine> lines; ///< that fill the containers that they are spread over
    std::string no_line;
  };
  struct Place {
    double at = 0;
    std::string path; ///< begins with "?" where none was found
  };

  /// Where paths are looked for from, one after the other.
  struct Search {
    std::vector<PathRoot> modules; ///< of the application and of packages
    std::vector<PathRoot> frames;
    std::vector<PathRoot> library; ///< modules of Python's own: event loops and the like hold all
    std::vector<PathRoot> generators;
    RetainerSearch paths;
  };

  HeldWatch(HeldSource source, const ObjectLayout& layout, const PythonProcess& python);
  [[nodiscard]] std::vector<GrowingContainer> growing() const;
  [[nodiscard]] bool needs_search(const HeapContainer& container, double t) const;
  [[nodiscard]] std::unique_ptr<Search> search_for(std::span<const std::uint64_t> objects,
                                                   SearchLimits limits = {}) const;
  void search(std::span<const GrowingContainer> growing, double t);
  void explain_types(std::span<const GrowingContainer> containers, double t);
  [[nodiscard]] std::vector<GrowingType> growing_types() const;
  void add_loose(std::vector<HeldFinding>& findings) const;
  [[nodiscard]] HeldFinding loose_finding(const Loose& found, const GrowingType& growing) const;
  void place(const HeapContainer& container, const std::optional<RetainerPath>& path,
             bool hit_limit, double t);
  void look_at(const HeapContainer& container, const std::string& path,
               const std::optional<RetainerPath>& retained, double t);
  void find_lines(Facts& facts, const RetainerPath& path);
  void refresh_facts(std::span<const GrowingContainer> growing, double t);
  void look_at_connections(Facts& facts, const HeapContainer& container) const;
  void measure(Facts& facts, const HeapContainer& container, double t);
  [[nodiscard]] std::vector<StoreSite> callers_of(std::uint64_t code);
  static void put_callers(Facts& facts, const std::vector<StoreSite>& found);
  [[nodiscard]] const StoreFinder& stores();
  [[nodiscard]] std::vector<StoreSite> stores_near(const StoreTarget& target,
                                                   const std::string& file);
  void add_to(HeldFinding& finding, const GrowingContainer& growing, const Facts& facts) const;
  void finish(HeldFinding& finding, const std::string& path, const GrowingContainer& fastest) const;

  HeldSource source_;
  ObjectLayout layout_;
  RootPlaces places_;
  ObjectTypes types_;
  HeapScan scan_;
  ObjectReader reader_;
  ContainerWatch watch_;
  TypeWatch type_watch_;
  Census census_;
  std::optional<StoreFinder> stores_; ///< of the census's functions, once they are asked for
  std::optional<double> since_;
  bool show_keys_ = false;
  double now_ = 0;
  std::vector<Loose> loose_;
  std::optional<double> loose_at_;
  bool collector_is_off_ = false;
  std::unordered_map<std::uint64_t, Place> places_of_; ///< by the container's address
  std::unordered_map<std::string, Facts> facts_;       ///< by path
};

} // namespace leakbpf
