// SPDX-License-Identifier: Apache-2.0
#include "stack_pattern.h"

#include <algorithm>
#include <limits>
#include <regex>
#include <sstream>

#include <fnmatch.h>
#include <nlohmann/json.hpp>

namespace leakbpf::e2e {

namespace {

using Json = nlohmann::json;

constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();
constexpr std::size_t most_frames = 127;

std::string text_of(const Json& frame, const char* field) {
  const Json& value = frame.at(field);
  return value.is_string() ? value.get<std::string>() : "";
}

/// "(anonymous namespace)::Circle::draw(unsigned long) const" is Circle::draw, "f.cold" is f.
std::string plain_name(std::string name) {
  const std::string anonymous = "(anonymous namespace)::";
  for (std::size_t at = 0; (at = name.find(anonymous)) != std::string::npos;)
    name.erase(at, anonymous.size());
  name = name.substr(0, name.find('('));
  static const std::regex clone(
      R"(\.(cold|part|constprop|isra|actor|lto_priv)(\..*)?$| \[clone.*)");
  return std::regex_replace(name, clone, "");
}

/// One word of a chain: which frames it stands for, and for how many of them.
struct Word {
  explicit Word(const std::string& text);

  [[nodiscard]] bool fits(const Stack::Frame& frame) const;

  enum class What { anything, nameless, module, function } what = What::function;
  std::vector<std::string> names;
  std::size_t least = 1;
  std::size_t most = 1;
};

Word::Word(const std::string& text) {
  std::string rest = text;
  if (rest == "*") {
    what = What::anything;
    least = 0;
    most = any_number;
    return;
  }
  if (rest == "?") {
    what = What::nameless;
    return;
  }
  const bool is_module = rest.front() == '<';
  std::smatch count;
  if (std::regex_match(rest, count, std::regex(R"((.*)\{(\d+)\})"))) {
    least = most = std::stoul(count[2]);
    rest = count[1];
  } else if (is_module) {
    least = rest.back() == '*' ? 0 : 1;
    most = any_number;
  }
  if (!is_module) {
    names = {rest};
    return;
  }
  what = What::module;
  std::istringstream list(rest.substr(1, rest.rfind('>') - 1));
  for (std::string name; std::getline(list, name, '|');)
    names.push_back(name);
}

bool Word::fits(const Stack::Frame& frame) const {
  switch (what) {
  case What::anything:
    return true;
  case What::nameless:
    return frame.function.empty() && frame.module.empty();
  case What::module:
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return name == frame.module || fnmatch(name.c_str(), frame.module.c_str(), 0) == 0;
    });
  default:
    return fnmatch(names.front().c_str(), frame.function.c_str(), 0) == 0;
  }
}

/// Does the chain from word `word` on stand for the stack from frame `at` on?
class Matcher {
public:
  Matcher(const Expectation& expectation, const Stack& stack)
      : stack_(stack), may_stop_(expectation.kind == Expectation::Kind::may_stop),
        end_(expectation.chain.back()) {
    for (std::size_t i = 0; i + 1 < expectation.chain.size(); i++)
      words_.emplace_back(expectation.chain[i]);
  }

  [[nodiscard]] bool match(std::size_t word = 0, std::size_t at = 0) const {
    const std::size_t frames = stack_.frames.size();
    if (may_stop_ && at == frames && at > 0 && !stack_.note.empty())
      return true;
    if (word == words_.size())
      return ends(at);
    for (std::size_t taken = 0;; taken++) {
      if (taken >= words_[word].least && match(word + 1, at + taken))
        return true;
      if (may_stop_ && at + taken == frames && taken > 0 && !stack_.note.empty())
        return true;
      if (taken == words_[word].most || at + taken == frames ||
          !words_[word].fits(stack_.frames[at + taken]))
        return false;
    }
  }

private:
  [[nodiscard]] bool ends(std::size_t at) const {
    if (end_ == "[stops]")
      return true;
    if (at != stack_.frames.size())
      return false;
    return end_ == "[truncated]" ? at == most_frames && !stack_.note.empty() : stack_.note.empty();
  }

  const Stack& stack_;
  bool may_stop_;
  std::string end_;
  std::vector<Word> words_;
};

} // namespace

std::string Stack::text() const {
  std::string text;
  for (std::size_t i = 0; i < frames.size(); i++) {
    const Frame& frame = frames[i];
    std::size_t same = 1; // recursion
    while (i + 1 < frames.size() && frames[i + 1].function == frame.function &&
           frames[i + 1].module == frame.module) {
      same++;
      i++;
    }
    text += frame.function.empty() ? (frame.module.empty() ? "?" : "<" + frame.module + ">")
                                   : frame.function;
    text += same > 1 ? "{" + std::to_string(same) + "} " : " ";
  }
  return text + (note.empty() ? "[end]" : "[" + note + "]");
}

Stack stack_of(const Json& site) {
  Stack stack;
  for (const Json& frame : site.at("frames")) {
    if (frame.at("kind") == "note")
      stack.note += text_of(frame, "function");
    else if (!frame.at("inlined").get<bool>() && !frame.value("tail_call", false)) {
      const std::string module = text_of(frame, "module");
      stack.frames.push_back(
          {plain_name(text_of(frame, "function")), module.substr(module.rfind('/') + 1)});
    }
  }
  return stack;
}

bool Expectation::matches(const Stack& stack) const {
  return Matcher(*this, stack).match();
}

std::optional<Expectation> parse_expectation(const std::string& line) {
  static const std::regex form(R"((expect|accept|perhaps) (\S+) size=(\d+): (.*))");
  std::smatch parts;
  if (!std::regex_match(line, parts, form))
    return std::nullopt;
  Expectation expectation;
  if (parts[1] == "accept")
    expectation.kind = Expectation::Kind::may_stop;
  else if (parts[1] == "perhaps")
    expectation.kind = Expectation::Kind::perhaps;
  expectation.name = parts[2];
  expectation.size = std::stoul(parts[3]);
  expectation.line = line;
  std::istringstream words(parts[4]);
  for (std::string word; words >> word;)
    expectation.chain.push_back(word);
  return expectation;
}

} // namespace leakbpf::e2e
