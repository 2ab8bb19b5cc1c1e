// SPDX-License-Identifier: Apache-2.0
#include "held/contents.h"

#include "held/element_make.h"
#include "held/element_sample.h"

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_map>

namespace leakbpf {

namespace {

constexpr std::size_t elements_of_each = 32;
constexpr unsigned most_depth = 8;
constexpr std::size_t most_objects_of_one = 500;
constexpr std::size_t most_references = 256;
/// What more than these refer to is no element's own.
constexpr std::uint64_t most_owners = 50;

/// Adds up what each of several elements alone leads to.
class OwnBytes {
public:
  /// `ends_at`: objects of this type lead no further than to themselves, but for the elements.
  explicit OwnBytes(const ObjectReader& reader, std::optional<TypeNumber> ends_at = std::nullopt)
      : reader_(reader), sizes_(reader), ends_at_(ends_at) {}

  void add(std::uint32_t element, std::uint64_t object) {
    std::vector<std::uint64_t> layer{object};
    std::size_t visited = 0;
    for (unsigned depth = 0; depth <= most_depth && !layer.empty(); depth++) {
      std::vector<std::uint64_t> next;
      for (const std::uint64_t each : layer) {
        const bool ends = depth > 0 && ends_at_ && reader_.type_of(each) == ends_at_;
        if (!ends && visited < most_objects_of_one && visit(element, each, next))
          visited++;
      }
      layer = std::move(next);
    }
  }
  /// Of elements from `first` on, on average.
  [[nodiscard]] double mean(std::uint32_t first, std::uint32_t end) const {
    double bytes = 0;
    for (const auto& [object, node] : nodes_)
      if (node.elements == 1 && node.last >= first && node.last < end)
        bytes += static_cast<double>(node.bytes);
    return end > first ? bytes / (end - first) : 0;
  }

private:
  struct Node {
    std::uint32_t elements = 0; ///< that lead to it
    std::uint32_t last = 0;     ///< of them
    std::uint64_t bytes = 0;
    std::vector<std::uint64_t> references;
  };

  [[nodiscard]] bool is_own(std::uint64_t object) const {
    return reader_.layout().reference_count(reader_.word(object)) <= most_owners;
  }

  Node make_node(std::uint64_t object) const {
    Node node;
    const auto number = reader_.type_of(object);
    if (!number)
      return node;
    const ObjectType type = reader_.type(*number);
    if (!is_own(object))
      return node;
    node.bytes = sizes_.bytes_of(object, type);
    for (const Reference& each : reader_.references(object, *number, most_references))
      node.references.push_back(each.to);
    return node;
  }

  /// False: it was visited from this element already.
  bool visit(std::uint32_t element, std::uint64_t object, std::vector<std::uint64_t>& next) {
    auto found = nodes_.find(object);
    if (found == nodes_.end())
      found = nodes_.emplace(object, make_node(object)).first;
    Node& node = found->second;
    if (node.elements > 0 && node.last == element)
      return false;
    node.elements++;
    node.last = element;
    next.insert(next.end(), node.references.begin(), node.references.end());
    return true;
  }

  const ObjectReader& reader_;
  BlockSizes sizes_;
  std::optional<TypeNumber> ends_at_;
  std::unordered_map<std::uint64_t, Node> nodes_;
};

void add_all(OwnBytes& bytes, std::uint32_t& number, std::span<const SampledElement> elements) {
  for (const SampledElement& each : elements) {
    bytes.add(number, each.value);
    if (each.key != 0)
      bytes.add(number, each.key);
    number++;
  }
}

} // namespace

double own_bytes(const ObjectReader& reader, std::span<const std::uint64_t> objects,
                 TypeNumber type) {
  OwnBytes own(reader, type);
  std::uint32_t number = 0;
  for (const std::uint64_t object : objects.first(std::min(objects.size(), elements_of_each)))
    own.add(number++, object);
  return own.mean(0, number);
}

Contents measure_contents(const ObjectReader& reader, const HeapContainer& container) {
  Contents contents;
  const auto newest = newest_elements(reader, container, elements_of_each);
  auto spread = spread_elements(reader, container, elements_of_each);
  // An element that is in both would be nobody's.
  std::erase_if(spread, [&](const SampledElement& each) {
    return std::any_of(newest.begin(), newest.end(), [&](const SampledElement& other) {
      return other.value == each.value && other.key == each.key;
    });
  });
  OwnBytes own(reader);
  std::uint32_t number = 0;
  add_all(own, number, newest);
  const std::uint32_t newest_end = number;
  add_all(own, number, spread);
  const BlockSizes sizes(reader);
  const auto table = static_cast<double>(sizes.table_bytes(container.address, container.shape));
  contents.bytes = table + (container.shape == ObjectShape::bytearray
                                ? 0
                                : own.mean(0, number) * static_cast<double>(container.entries));
  contents.bytes_per_entry =
      own.mean(0, newest_end) + sizes.table_bytes_each(container.address, container.shape);
  contents.make = element_make(reader, newest);
  for (const SampledElement& each : newest)
    contents.newest.push_back(each.value);
  return contents;
}

} // namespace leakbpf
