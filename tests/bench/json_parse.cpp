// SPDX-License-Identifier: Apache-2.0
// A C++ program that lives in the allocator: parses a JSON document of a few kilobytes, adds up a
// part of it, and forgets it, as fast as it can. After each quarter of a second it prints the
// documents per second.
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds window{250};
constexpr int orders = 20;
constexpr int documents = 16; // that differ

/// What a web service might be sent: objects in lists in objects, short and long strings.
std::string make_document(int number) {
  nlohmann::json document{{"customer", "customer number " + std::to_string(number)},
                          {"orders", nlohmann::json::array()}};
  for (int i = 0; i < orders; i++)
    document["orders"].push_back(
        {{"id", number * 1000 + i},
         {"price", i * 1.5 + number},
         {"title", "a title that fits into no small string " + std::to_string(i)},
         {"tags", {"new", "used", std::to_string(i)}},
         {"paid", i % 3 == 0}});
  return document.dump();
}

double total_price(const std::string& text) {
  const nlohmann::json document = nlohmann::json::parse(text);
  double total = 0;
  for (const auto& order : document["orders"])
    total += order["price"].get<double>();
  return total;
}

double measure_window(const std::string (&texts)[documents]) {
  const auto start = Clock::now();
  long parsed = 0;
  Clock::duration elapsed{};
  do {
    if (total_price(texts[parsed++ % documents]) <= 0)
      std::exit(1);
    elapsed = Clock::now() - start;
  } while (elapsed < window);
  return static_cast<double>(parsed) / std::chrono::duration<double>(elapsed).count();
}

} // namespace

int main() {
  std::string texts[documents];
  for (int i = 0; i < documents; i++)
    texts[i] = make_document(i);
  for (;;) {
    std::printf("%.1f\n", measure_window(texts));
    std::fflush(stdout);
  }
}
