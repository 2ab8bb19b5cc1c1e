// SPDX-License-Identifier: Apache-2.0
// The tables of a pprof profile that its samples point into: strings, functions, locations and
// mappings. Only what was asked for is in them.
#pragma once

#include "render/frame_table.h"
#include "render/pprof_fields.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace leakbpf {

/// Parca refuses a profile unless the ids of each table count up from 1 in the order in which they
/// are written (parca-dev/parca, pkg/normalizer/validate.go: ValidatePprofProfile).
class PprofTables {
public:
  PprofTables();

  /// Index of the text in the string table; 0 is "". What is no UTF-8 or would control a terminal
  /// is replaced.
  [[nodiscard]] std::int64_t text(std::string_view text);

  /// Ids of the locations of a stack, the innermost first. A stack without frames has one location,
  /// "[unknown]": readers pass over samples without any. The frames have to outlive the tables.
  void add_stack(const Frames& frames, std::vector<std::uint64_t>& ids);

  /// `main_module` becomes the first mapping, which readers take for the program itself.
  void write(ProfileBuilder& profile, std::string_view main_module) const;

private:
  /// What is mapped from one file.
  struct Mapping {
    std::int64_t file = 0;     ///< index into the string table, as all names here
    std::int64_t build_id = 0; ///< the same
    bool files = false;
    bool lines = false;
    bool inlined = false;
    std::uint64_t least_offset = 0;
    std::uint64_t end_offset = 0; ///< 0: no offset is known

    void add_offset(std::uint64_t offset);
  };
  struct Function {
    std::int64_t name = 0;
    std::int64_t system_name = 0;
    std::int64_t file = 0;
  };
  struct Line {
    std::uint64_t function = 0; ///< id
    std::uint32_t line = 0;
  };
  struct Location {
    std::uint64_t mapping = 0;           ///< id; 0: none
    std::optional<std::uint64_t> offset; ///< in the file; without a mapping, the address
    std::vector<Line> lines;             ///< what was inlined comes before what it is inlined into
  };

  [[nodiscard]] std::uint64_t location_id(const std::vector<std::uint32_t>& run);
  [[nodiscard]] Location make_location(const std::vector<std::uint32_t>& run);
  [[nodiscard]] std::uint64_t mapping_id(const Frame& frame);
  [[nodiscard]] std::uint64_t function_id(const Frame& frame);
  [[nodiscard]] std::uint64_t main_mapping(std::string_view main_module) const;
  void write_mappings(ProfileBuilder& profile, std::uint64_t main) const;
  void write_locations(ProfileBuilder& profile, std::uint64_t main) const;
  void write_functions(ProfileBuilder& profile) const;

  std::unordered_map<std::string, std::int64_t> text_indices_;
  std::vector<const std::string*> texts_;

  FrameRef unknown_ = Frame{};
  FrameTable frames_;
  std::vector<std::uint32_t> run_;              ///< reused
  std::vector<std::uint64_t> single_locations_; ///< by the number of the only frame; 0: not yet
  std::unordered_map<std::vector<std::uint32_t>, std::uint64_t, NumbersHash> location_ids_;
  std::vector<Location> locations_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::uint64_t> mapping_ids_;
  std::vector<Mapping> mappings_;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, std::uint64_t> function_ids_;
  std::vector<Function> functions_;
};

} // namespace leakbpf
