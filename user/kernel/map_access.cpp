// SPDX-License-Identifier: Apache-2.0
#include "kernel/map_access.h"

namespace leakbpf {

bool MapAccess::is_answer(int error) {
  return error == ENOENT || error == EEXIST || error == E2BIG || error == ENOSPC;
}

bool MapAccess::lookup(int map, const void* key, void* value) const {
  return insist([&] { return bpf_map_lookup_elem(map, key, value); }) == 0;
}

bool MapAccess::update(int map, const void* key, const void* value, std::uint64_t flags) const {
  return insist([&] { return bpf_map_update_elem(map, key, value, flags); }) == 0;
}

bool MapAccess::update_batch(int map, const void* keys, const void* values,
                             std::uint32_t count) const {
  return insist([&] {
           std::uint32_t wanted = count;
           return bpf_map_update_batch(map, keys, values, &wanted, nullptr);
         }) == 0;
}

void MapAccess::remove(int map, const void* key) const {
  insist([&] { return bpf_map_delete_elem(map, key); });
}

bool MapAccess::take(int map, const void* key, void* value) const {
  return insist([&] { return bpf_map_lookup_and_delete_elem(map, key, value); }) == 0;
}

} // namespace leakbpf
