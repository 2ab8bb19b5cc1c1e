// SPDX-License-Identifier: Apache-2.0
// Allocates as C++ programs do, in many ways and on several threads, until it is killed.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include <unistd.h>

namespace {

using Random = std::mt19937;

std::string text_of(Random& random, std::size_t length) {
  std::string text;
  for (std::size_t i = 0; i < length; i++)
    text += static_cast<char>('a' + random() % 26);
  return text;
}

// ---- containers ---------------------------------------------------------------------------------

std::size_t use_maps(Random& random) {
  std::map<std::string, std::vector<int>> ordered;
  std::unordered_map<int, std::string> hashed;
  std::set<std::pair<int, std::string>> pairs;
  for (int i = 0; i < 40; i++) {
    ordered[text_of(random, 20)].push_back(i);
    hashed.emplace(static_cast<int>(random() % 100), text_of(random, 30));
    pairs.insert({i, text_of(random, 18)});
  }
  auto copy = ordered;
  copy.erase(copy.begin());
  return copy.size() + hashed.size() + pairs.size();
}

std::size_t use_sort(Random& random) {
  std::vector<std::string> words(50);
  for (std::string& word : words)
    word = text_of(random, 25);
  // The comparison copies, so it allocates below the algorithm.
  std::sort(words.begin(), words.end(), [](const std::string& a, const std::string& b) {
    const std::string left = a + "!";
    const std::string right = b + "!";
    return left < right;
  });
  std::stable_sort(words.begin(), words.end(), std::greater<>());
  return words.front().size();
}

// ---- the standard library's own code ------------------------------------------------------------

std::size_t use_streams(Random& random) {
  std::ostringstream out;
  for (int i = 0; i < 30; i++)
    out << i << ' ' << text_of(random, 8) << ' ' << 1.5 * i << '\n';
  std::istringstream in(out.str());
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);)
    count += line.size();
  std::ifstream file("/proc/self/stat");
  std::string word;
  while (file >> word)
    count++;
  return count;
}

std::size_t use_regex(Random& random) {
  const std::regex pattern("([a-m]+)([n-z]+|(ab|cd)*)");
  const std::string text = text_of(random, 60);
  std::size_t matches = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at)
    matches += (*at)[0].str().size();
  return matches;
}

// ---- virtual functions, closures, exceptions ----------------------------------------------------

struct Shape {
  virtual ~Shape() = default;
  [[nodiscard]] virtual std::unique_ptr<Shape> clone() const = 0;
  [[nodiscard]] virtual std::string name(int depth) const = 0;
};

struct Circle final : Shape {
  [[nodiscard]] std::unique_ptr<Shape> clone() const override {
    return std::make_unique<Circle>(*this);
  }
  [[nodiscard]] std::string name(int depth) const override {
    return "circle of depth " + std::to_string(depth) + " and more";
  }
};

struct Group final : Shape {
  [[nodiscard]] std::unique_ptr<Shape> clone() const override {
    auto copy = std::make_unique<Group>();
    for (const auto& member : members)
      copy->members.push_back(member->clone());
    return copy;
  }
  [[nodiscard]] std::string name(int depth) const override {
    std::string text = "group of: ";
    for (const auto& member : members)
      text += member->name(depth + 1) + ", ";
    return text;
  }
  std::vector<std::unique_ptr<Shape>> members;
};

std::unique_ptr<Shape> make_shape(Random& random, int depth) {
  if (depth == 0 || random() % 4 == 0)
    return std::make_unique<Circle>();
  auto group = std::make_unique<Group>();
  for (int i = 0; i < 3; i++)
    group->members.push_back(make_shape(random, depth - 1));
  return group;
}

std::size_t use_virtual(Random& random) {
  return make_shape(random, 4)->clone()->name(0).size();
}

struct Guard {
  explicit Guard(std::string& text) : text(text) {}
  ~Guard() { text += " unwound, at some length"; }
  std::string& text;
};

std::size_t descend(Random& random, int depth, std::string& trace) {
  const Guard guard(trace);
  if (depth == 0)
    throw std::runtime_error("at the bottom: " + text_of(random, 30));
  return descend(random, depth - 1, trace) + 1;
}

std::size_t use_exceptions(Random& random) {
  std::string trace;
  try {
    return descend(random, static_cast<int>(random() % 8), trace);
  } catch (const std::exception& error) {
    try {
      std::throw_with_nested(std::logic_error(trace + error.what()));
    } catch (const std::exception& outer) {
      return std::string(outer.what()).size();
    }
  }
}

std::size_t use_closures(Random& random) {
  std::vector<std::function<std::string(int)>> functions;
  for (int i = 0; i < 10; i++)
    functions.emplace_back([text = text_of(random, 40), i](int n) {
      std::variant<int, std::string> result = text + std::to_string(n * i);
      return std::visit(
          [](const auto& value) {
            std::ostringstream out;
            out << value;
            return out.str();
          },
          result);
    });
  std::size_t sum = 0;
  for (const auto& function : functions)
    sum += function(7).size();
  return sum;
}

std::size_t use_futures(Random& random) {
  auto future = std::async(std::launch::async, [seed = random()] {
    Random own(seed);
    return use_maps(own) + use_sort(own);
  });
  return future.get();
}

using Use = std::size_t (*)(Random&);
constexpr Use uses[] = {use_maps,    use_sort,       use_streams,  use_regex,
                        use_virtual, use_exceptions, use_closures, use_futures};

std::atomic<std::size_t> total{0};

void work(std::uint32_t seed) {
  Random random(seed);
  for (;;) {
    total += uses[random() % std::size(uses)](random);
    usleep(200);
  }
}

} // namespace

int main() {
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 3; i++)
    threads.emplace_back(work, i);
  std::cout << "ready" << std::endl;
  work(99);
}
