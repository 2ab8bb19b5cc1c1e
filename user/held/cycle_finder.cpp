// SPDX-License-Identifier: Apache-2.0
#include "held/cycle_finder.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace leakbpf {

namespace {

constexpr std::size_t most_objects = 20'000;
constexpr std::size_t most_cycle_references = 4'000;
/// Of an object that is never freed (3.12 on), and of any count that makes no sense.
constexpr std::uint64_t most_count = 1ULL << 30;

class DeadCycle {
public:
  explicit DeadCycle(const ObjectReader& reader) : reader_(reader) {}

  std::vector<CycleStep> run(std::uint64_t object) {
    if (!add(object) || !walk())
      return {};
    mark_living();
    if (nodes_[0].lives)
      return {};
    return way_back();
  }

private:
  struct Edge {
    Reference reference;
    std::uint32_t to = 0;
  };
  struct Node {
    std::uint64_t object = 0;
    TypeNumber type = 0;
    std::int64_t outside = 0; ///< references to it that come from no node
    bool lives = false;
    std::vector<Edge> edges;
  };

  /// What belongs to nobody in particular is left out.
  [[nodiscard]] static bool is_shared(const ObjectType& type) {
    switch (type.shape) {
    case ObjectShape::text:
    case ObjectShape::code:
    case ObjectShape::module:
    case ObjectShape::type:
      return true;
    default:
      return false;
    }
  }

  bool add(std::uint64_t object) {
    const auto type = reader_.type_of(object);
    if (!type || is_shared(reader_.type(*type)))
      return false;
    const std::uint64_t count = reader_.layout().reference_count(reader_.word(object));
    by_address_.emplace(object, static_cast<std::uint32_t>(nodes_.size()));
    nodes_.push_back({object,
                      *type,
                      count < most_count ? static_cast<std::int64_t>(count)
                                         : std::numeric_limits<std::int64_t>::max() / 2,
                      false,
                      {}});
    return true;
  }

  /// False: it leads too far.
  bool walk() {
    std::uint32_t next = 0;
    while (next < nodes_.size() && nodes_.size() < most_objects)
      follow(next++);
    return next == nodes_.size();
  }

  void follow(std::uint32_t number) {
    const TypeNumber type = nodes_[number].type;
    if (reader_.type(type).shape == ObjectShape::weak_reference)
      return; // it holds nothing
    for (const Reference& each :
         reader_.references(nodes_[number].object, type, most_cycle_references)) {
      auto found = by_address_.find(each.to);
      if (found == by_address_.end()) {
        if (!add(each.to))
          continue;
        found = by_address_.find(each.to);
      }
      nodes_[found->second].outside--;
      nodes_[number].edges.push_back({each, found->second});
    }
  }

  void mark_living() {
    std::vector<std::uint32_t> living;
    for (std::uint32_t i = 0; i < nodes_.size(); i++)
      if (nodes_[i].outside > 0) {
        nodes_[i].lives = true;
        living.push_back(i);
      }
    while (!living.empty()) {
      const Node& node = nodes_[living.back()];
      living.pop_back();
      for (const Edge& edge : node.edges)
        if (!nodes_[edge.to].lives) {
          nodes_[edge.to].lives = true;
          living.push_back(edge.to);
        }
    }
  }

  std::vector<CycleStep> way_back() const {
    struct Before {
      std::uint32_t node = 0;
      Reference by;
    };
    std::unordered_map<std::uint32_t, Before>
        before; // the first node is in it once it is met again
    std::vector<std::uint32_t> queue{0};
    for (std::size_t i = 0; i < queue.size() && !before.contains(0); i++)
      for (const Edge& edge : nodes_[queue[i]].edges)
        if (before.try_emplace(edge.to, Before{queue[i], edge.reference}).second)
          queue.push_back(edge.to);
    std::vector<CycleStep> steps;
    if (!before.contains(0))
      return steps;
    std::uint32_t at = 0;
    do {
      const Before& step = before.at(at);
      steps.push_back({step.by, nodes_[step.node].object});
      at = step.node;
    } while (at != 0);
    std::reverse(steps.begin(), steps.end());
    return steps;
  }

  const ObjectReader& reader_;
  std::vector<Node> nodes_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_address_;
};

} // namespace

std::vector<CycleStep> find_dead_cycle(const ObjectReader& reader, std::uint64_t object) {
  return DeadCycle(reader).run(object);
}

} // namespace leakbpf
