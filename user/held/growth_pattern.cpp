// SPDX-License-Identifier: Apache-2.0
#include "held/growth_pattern.h"

#include "core/units.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// Of the newest elements that must be of a kind.
constexpr double most_of_the_growth = 0.6;

/// What the elements are, where most of them are of one type.
std::optional<ObjectType> element_type(const ObjectReader& reader, const Contents& contents) {
  std::unordered_map<TypeNumber, std::size_t> counts;
  for (const std::uint64_t element : contents.newest)
    if (const auto type = reader.type_of(element))
      counts[*type]++;
  for (const auto& [type, count] : counts)
    if (static_cast<double>(count) >=
        most_of_the_growth * static_cast<double>(contents.newest.size()))
      return reader.type(type);
  return std::nullopt;
}

/// functools.lru_cache's object (lru_cache_object of Modules/_functoolsmodule.c, the same from 3.8
/// to 3.14).
struct LruCache {
  std::int64_t hits = 0;
  std::int64_t misses = 0;
  std::int64_t most_entries = 0; ///< -1: without end
};

std::optional<LruCache> cache_of(const ObjectReader& reader, const RetainerPath* path) {
  if (!path || path->steps.empty())
    return std::nullopt;
  const std::uint64_t holder = path->steps.back().holder;
  const auto type = reader.type_of(holder);
  if (!type || reader.type(*type).name != "functools._lru_cache_wrapper")
    return std::nullopt;
  const auto number = [&](std::uint64_t at) {
    return reader.memory().get<std::int64_t>(holder + at).value_or(0);
  };
  constexpr std::uint64_t hits = 80;
  constexpr std::uint64_t most_entries = 96;
  constexpr std::uint64_t misses = 104;
  return LruCache{number(hits), number(misses), number(most_entries)};
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return name.ends_with(end); });
}

bool is_callback(const ObjectType& type) {
  return type.shape == ObjectShape::function || type.name == "method" ||
         type.name == "functools.partial" || type.name == "weakref.WeakMethod" ||
         type.name == "WeakMethod";
}

bool is_connection(const ObjectType& type) {
  return ends_with_any(type.name, {"socket", "Transport", "StreamWriter", "StreamReader",
                                   "SSLObject", "SSLSocket", "ClientSession", "Connection",
                                   "BufferedReader", "BufferedWriter", "TextIOWrapper", "FileIO"});
}

bool is_task(const ObjectType& type) {
  return ends_with_any(type.name, {"Task", "Future"}) || type.name == "coroutine" ||
         type.name == "Handle" || type.name == "TimerHandle";
}

GrowthPattern cache_pattern(const LruCache& cache) {
  if (cache.most_entries >= 0)
    return {std::nullopt, "", true};
  return {HeldPattern::unbounded_cache,
          fmt::format(
              "it never evicts (maxsize=None; {} hits, {} misses): use lru_cache(maxsize=N)",
              format_count(static_cast<std::uint64_t>(std::max<std::int64_t>(cache.hits, 0))),
              format_count(static_cast<std::uint64_t>(std::max<std::int64_t>(cache.misses, 0))))};
}

/// Elements may be pairs of a key and a listener. What begins with a number is a timer, or has a
/// priority: nobody subscribed it.
bool has_callback(const ObjectReader& reader, const Contents& contents) {
  constexpr std::size_t most_items = 4;
  const std::uint64_t element = contents.newest.empty() ? 0 : contents.newest.back();
  const auto items = reader.tuple(element, most_items);
  const auto first = items.empty() ? std::nullopt : reader.type_of(items.front());
  if (first && (reader.type(*first).name == "float" || reader.type(*first).name == "int"))
    return false;
  return std::any_of(items.begin(), items.end(), [&](std::uint64_t item) {
    const auto type = reader.type_of(item);
    return type && is_callback(reader.type(*type));
  });
}

GrowthPattern listener_pattern() {
  return {HeldPattern::listeners, "unsubscribe in close(), or hold listeners weakly "
                                  "(weakref.WeakMethod, weakref.WeakSet)"};
}

GrowthPattern by_elements(const ObjectType& type) {
  if (is_connection(type))
    return {HeldPattern::connections,
            fmt::format("close each {} (`with`, `async with`, or close() in finally), or share one",
                        type.name)};
  if (type.name == "Thread" || type.name == "threading.Thread")
    return {HeldPattern::threads, "end the threads, or use a fixed-size pool"};
  if (is_task(type))
    return {HeldPattern::tasks, fmt::format("await or cancel each {}, and drop it when it is done "
                                            "(task.add_done_callback(tasks.discard))",
                                            type.name)};
  if (is_callback(type))
    return listener_pattern();
  return {};
}

GrowthPattern by_shape(ObjectShape shape) {
  switch (shape) {
  case ObjectShape::dict:
    return {HeldPattern::unbounded_cache,
            "bound it with cachetools.TTLCache(maxsize, ttl), or delete entries that are done"};
  case ObjectShape::list:
  case ObjectShape::array:
    return {HeldPattern::unbounded_list,
            "remove entries that are done, or use collections.deque(maxlen=N)"};
  case ObjectShape::deque:
    return {HeldPattern::unbounded_list,
            "give it maxlen=N, or consume it faster than it is filled"};
  case ObjectShape::set:
    return {HeldPattern::unbounded_list, "discard entries that are done"};
  case ObjectShape::bytearray:
  case ObjectShape::bytes_io:
    return {HeldPattern::unbounded_list, "clear it when its contents have been used"};
  default:
    return {};
  }
}

} // namespace

GrowthPattern growth_pattern(const ObjectReader& reader, const HeapContainer& container,
                             const Contents& contents, const RetainerPath* path) {
  if (const auto cache = cache_of(reader, path))
    return cache_pattern(*cache);
  const auto type = element_type(reader, contents);
  if (type && type->shape == ObjectShape::weak_reference)
    return {std::nullopt, "", false, true}; // something else keeps these alive
  if (type)
    if (GrowthPattern pattern = by_elements(*type); pattern.pattern)
      return pattern;
  if (has_callback(reader, contents))
    return listener_pattern();
  return by_shape(container.shape);
}

ConnectionEvidence connection_evidence(std::uint64_t entries, const OpenFiles& open) {
  const std::string counted = fmt::format("the process has {} open sockets and {} other open files",
                                          format_count(open.sockets), format_count(open.others));
  if (open.sockets + open.others >= entries / 2)
    return {counted, ""};
  return {counted + ": most of these are closed but still kept",
          "remove each one when it is closed"};
}

} // namespace leakbpf
