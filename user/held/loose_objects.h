// SPDX-License-Identifier: Apache-2.0
// Objects that grow in number, and that no container that grows leads to: links of a chain or a
// tree, what is spread over many containers, and cycles that nothing refers to any more.
#pragma once

#include "core/python_file.h"
#include "held/container_watch.h"
#include "held/path_roots.h"
#include "held/retainer_paths.h"
#include "held/store_finder.h"
#include "held/type_watch.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace leakbpf {

enum class LooseKind : std::uint8_t {
  chain,  ///< each is held by another of its type
  spread, ///< over many containers, none of which is seen to grow
  cycle,  ///< only cycles hold them, that nothing else refers to
};

struct LooseObjects {
  LooseKind kind = LooseKind::chain;
  TypeNumber type = 0;
  std::string path; ///< "shop.head.next…", or a cycle: "build.<locals>.last.tb_frame"
  PythonOwner owner = PythonOwner::application;
  /// Of spread ones, to one of the containers. Its root is of the search that found it.
  std::optional<RetainerPath> spread;
  double bytes_of_object = 0;    ///< with what it alone leads to; about
  std::vector<StoreSite> makers; ///< places that may make them
  bool assigned = false;         ///< makers are where the variable of the cycle is assigned
  std::vector<std::string> also; ///< other types of the same cycles
};

class LooseSearch {
public:
  using Samples = std::unordered_map<TypeNumber, ObjectSample>;
  /// Those that grow, by address.
  using Containers = std::unordered_map<std::uint64_t, const GrowingContainer*>;
  /// All must outlive it.
  LooseSearch(const ObjectReader& reader, const RootPlaces& places, const StoreFinder& stores,
              bool show_keys)
      : reader_(reader), places_(places), stores_(stores), show_keys_(show_keys) {}

  /// `growing`: types, of which `samples` has objects. `search`: has looked for all of these.
  /// `containers`: those that grow.
  [[nodiscard]] std::vector<LooseObjects> run(std::span<const GrowingType> growing,
                                              const Samples& samples, const RetainerSearch& search,
                                              const Containers& containers) const;

private:
  struct Candidate {
    TypeNumber type = 0;
    std::vector<std::uint64_t> unreached;
  };
  [[nodiscard]] std::size_t links_of(TypeNumber type, const RetainerPath& path) const;
  [[nodiscard]] LooseObjects describe_chain(TypeNumber type, const RetainerPath& path) const;
  /// How the objects of one type are held.
  struct Ways {
    std::vector<std::uint64_t> unreached;
    std::size_t explained = 0; ///< by a container that grows
    std::size_t chained = 0;
    std::optional<RetainerPath> chain;
    std::map<std::string, std::vector<RetainerPath>> others; ///< by what stands in a row
  };
  [[nodiscard]] Ways ways_to(const GrowingType& growing, std::span<const std::uint64_t> objects,
                             const RetainerSearch& search, const Containers& containers) const;
  [[nodiscard]] std::optional<LooseObjects> spread_of(TypeNumber type, const Ways& ways,
                                                      double all) const;
  static void drop_parts(std::vector<LooseObjects>& found);
  [[nodiscard]] std::optional<LooseObjects> cycle_of(std::vector<Candidate> candidates) const;
  [[nodiscard]] LooseObjects describe_cycle(TypeNumber type, std::vector<PathStep> steps) const;
  void find_makers(LooseObjects& found, std::uint64_t name) const;

  const ObjectReader& reader_;
  const RootPlaces& places_;
  const StoreFinder& stores_;
  bool show_keys_;
};

} // namespace leakbpf
