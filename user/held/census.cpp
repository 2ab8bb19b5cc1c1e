// SPDX-License-Identifier: Apache-2.0
#include "held/census.h"

#include <cstring>

namespace leakbpf {

namespace {

std::uint64_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  std::uint64_t word = 0;
  if (at + sizeof(word) <= bytes.size())
    std::memcpy(&word, &bytes[at], sizeof(word));
  return word;
}

bool has_bytes(ObjectShape shape) {
  return shape == ObjectShape::bytearray || shape == ObjectShape::array ||
         shape == ObjectShape::bytes_io;
}

void count(Census& census, const FoundObject& object) {
  if (object.type >= census.types.size())
    census.types.resize(object.type + std::size_t{1});
  TypeCount& counted = census.types[object.type];
  counted.objects++;
  counted.bytes += object.block_bytes;
  if (census.samples.empty())
    return;
  if (const auto sample = census.samples.find(object.type); sample != census.samples.end())
    sample->second.add(object.address);
}

} // namespace

std::uint64_t entries_of(ObjectShape shape, std::span<const std::uint8_t> bytes) {
  constexpr std::uint64_t most = 1ULL << 40;
  std::uint64_t entries = 0;
  if (shape == ObjectShape::dict || shape == ObjectShape::list || shape == ObjectShape::deque ||
      shape == ObjectShape::bytearray || shape == ObjectShape::array)
    entries = word_at(bytes, object_at::size); // ma_used stands there too
  else if (shape == ObjectShape::set || shape == ObjectShape::bytes_io)
    entries = word_at(bytes, object_at::set_used); // and where a BytesIO is written
  return entries < most ? entries : 0;
}

Census take_census(HeapScan& scan, const ObjectTypes& types, std::span<const HeapRange> ranges,
                   std::span<const TypeNumber> sampled) {
  Census census;
  for (const TypeNumber each : sampled)
    census.samples[each];
  census.counts = scan.run(ranges, [&](const FoundObject& object) {
    const ObjectType& type = types[object.type];
    count(census, object);
    if (type.shape == ObjectShape::function)
      census.functions.push_back(object.address);
    else if (type.shape == ObjectShape::generator)
      census.generators.push_back(object.address);
    const std::uint64_t entries = entries_of(type.shape, object.bytes);
    const HeapContainer container{object.address, type.address, object.type, type.shape, entries};
    if (entries >= (has_bytes(type.shape) ? least_bytes : least_entries))
      census.containers.push_back(container);
    else if (entries >= least_small_entries && census.small.size() < most_small)
      census.small.push_back(container);
  });
  return census;
}

} // namespace leakbpf
