// SPDX-License-Identifier: Apache-2.0
#include "held/element_sample.h"

#include <algorithm>

namespace leakbpf {

namespace {

std::vector<SampledElement> of_references(const std::vector<Reference>& references) {
  std::vector<SampledElement> elements;
  for (const Reference& each : references)
    if (each.kind == HoldKind::value)
      elements.push_back({each.to, each.label});
    else if (each.kind == HoldKind::item || each.kind == HoldKind::member)
      elements.push_back({each.to, 0});
  return elements;
}

std::vector<SampledElement> spread_over_dict(const ObjectReader& reader, std::uint64_t dict,
                                             std::size_t most) {
  std::vector<SampledElement> elements;
  const auto table = read_dict_table(reader.memory(), reader.layout(), dict);
  if (!table)
    return elements;
  const std::uint64_t step = std::max<std::uint64_t>(table->slots_used / most, 1);
  for (std::uint64_t slot = 0; slot < table->slots_used && elements.size() < most; slot += step)
    for (const DictEntry& entry : read_dict_entries(reader.memory(), *table, slot, 1))
      elements.push_back({entry.value, entry.key});
  return elements;
}

std::vector<SampledElement> spread_over_list(const ObjectReader& reader, std::uint64_t list,
                                             std::size_t most) {
  std::vector<SampledElement> elements;
  const std::uint64_t size = reader.word(list + object_at::size);
  const std::uint64_t items = reader.word(list + object_at::list_items);
  const std::uint64_t step = std::max<std::uint64_t>(size / most, 1);
  for (std::uint64_t i = 0; i < size && elements.size() < most; i += step)
    if (const std::uint64_t item = reader.word(items + i * sizeof(i)); item != 0)
      elements.push_back({item, 0});
  return elements;
}

} // namespace

std::vector<SampledElement> newest_elements(const ObjectReader& reader,
                                            const HeapContainer& container, std::size_t most) {
  const auto type = reader.type_of(container.address);
  if (!type || reader.type(*type).shape != container.shape)
    return {};
  auto elements = of_references(reader.references(container.address, *type, most));
  if (elements.size() > most)
    elements.erase(elements.begin(), elements.end() - static_cast<std::ptrdiff_t>(most));
  return elements;
}

std::vector<SampledElement> spread_elements(const ObjectReader& reader,
                                            const HeapContainer& container, std::size_t most) {
  if (container.shape == ObjectShape::dict)
    return spread_over_dict(reader, container.address, most);
  if (container.shape == ObjectShape::list)
    return spread_over_list(reader, container.address, most);
  return newest_elements(reader, container, most); // the oldest of a deque, any of a set
}

} // namespace leakbpf
