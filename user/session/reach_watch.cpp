// SPDX-License-Identifier: Apache-2.0
#include "session/reach_watch.h"

#include "base/clocks.h"
#include "base/process_memory.h"
#include "reach/holder_text.h"
#include "reach/reach_search.h"
#include "target/present_pages.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

namespace leakbpf {

namespace {

constexpr double least_pause = 4;         ///< seconds from one look to the next
constexpr double most_reach_share = 0.02; ///< of a core
constexpr std::size_t least_looks = 3;
constexpr double least_spread = 8; ///< seconds from the first look at a block to the last
constexpr std::size_t least_blocks = 4;
constexpr double nearly_all = 0.95;

/// Of blocks of one list or tree all are told in the same words, however deep they are.
std::string through(const Holder& holder, const std::string& name) {
  return holder.blocks == 0 ? name : name + ", through other blocks";
}

} // namespace

ReachWatch::~ReachWatch() {
  finish();
}

bool ReachWatch::is_due() const {
  return !busy_ && clock_() >= next_;
}

bool ReachWatch::knows(const SiteKey& site, const Block& block) const {
  const auto known = sites_.find(site);
  if (known == sites_.end())
    return false;
  const auto looks = known->second.find(block.address);
  return looks != known->second.end() && looks->second.block.time_ns == block.time_ns;
}

void ReachWatch::ask(pid_t pid, std::vector<Question> questions, double cost) {
  finish();
  asking_cost_ = cost;
  // What is not asked about any more has been given back.
  for (const Question& question : questions)
    std::erase_if(sites_[question.site], [&](const auto& known) {
      return std::none_of(question.blocks.begin(), question.blocks.end(), [&](const Block& block) {
        return block.address == known.first && block.time_ns == known.second.block.time_ns;
      });
    });
  busy_ = true;
  began_ = clock_();
  try {
    thread_ = std::thread([this, pid, questions = std::move(questions)] {
      try {
        look(pid, questions);
      } catch (const std::bad_alloc&) {
        answers_.clear(); // nothing is known then
      }
      busy_ = false;
    });
  } catch (const std::system_error&) {
    busy_ = false; // no thread can be had: all else goes on
    take_answers();
  }
}

void ReachWatch::look(pid_t pid, const std::vector<Question>& questions) {
  const double begin = cpu_seconds();
  const auto mappings = proc_.mappings(pid);
  if (!mappings)
    return;
  const LiveMemory memory(pid);
  const LivePages pages(proc_.path(pid, "pagemap"));
  const std::vector<ThreadStack> stacks = waiting_stacks(proc_, pid);
  std::vector<ReachBlock> blocks;
  for (const Question& question : questions)
    for (const Block& block : question.blocks)
      blocks.push_back({block.address, block.bytes});
  const std::vector<Reach> found = ReachSearch(memory, pages, *mappings, stacks).run(blocks);
  HolderNames names(proc_, pid);
  std::size_t next = 0;
  for (const Question& question : questions)
    for (const Block& block : question.blocks) {
      const Reach& reach = found[next++];
      Answer& answer = answers_.emplace_back(Answer{question.site, block, reach.known, false, ""});
      answer.lost = reach.known && !reach.holder;
      if (reach.holder)
        answer.by = through(*reach.holder, names.name(*reach.holder, *mappings));
    }
  cost_ = cpu_seconds() - begin;
}

void ReachWatch::finish() {
  if (thread_.joinable())
    thread_.join();
  take_answers();
}

void ReachWatch::take_answers() {
  if (busy_)
    return;
  if (thread_.joinable())
    thread_.join();
  for (const Answer& answer : std::exchange(answers_, {}))
    count(answer);
  next_ =
      std::max(next_, began_ + std::max(least_pause, (cost_ + asking_cost_) / most_reach_share));
}

void ReachWatch::count(const Answer& answer) {
  if (!answer.known)
    return;
  Looks& looks = sites_[answer.site][answer.block.address];
  if (looks.looks == 0 || looks.block.time_ns != answer.block.time_ns)
    looks = {answer.block, 0, 0, began_, began_, ""};
  looks.looks++;
  looks.lost += answer.lost ? 1 : 0;
  looks.last = began_;
  if (!answer.lost)
    looks.by = answer.by;
}

std::optional<ReachReport> ReachWatch::verdict(const SiteKey& site) const {
  const auto known = sites_.find(site);
  if (known == sites_.end())
    return std::nullopt;
  ReachReport report;
  std::size_t lost = 0;
  std::map<std::string, std::size_t> holders;
  for (const auto& [address, looks] : known->second) {
    if (looks.looks < least_looks || looks.last - looks.first < least_spread)
      continue;
    report.blocks++;
    if (looks.lost == looks.looks)
      lost++;
    else
      holders[looks.by]++;
  }
  if (report.blocks < least_blocks)
    return std::nullopt;
  const auto all = static_cast<double>(report.blocks);
  report.lost = static_cast<double>(lost) >= nearly_all * all;
  if (report.lost) {
    report.share = static_cast<double>(lost) / all;
    return report;
  }
  if (holders.empty())
    return std::nullopt;
  const auto most =
      std::max_element(holders.begin(), holders.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  report.by = most->first;
  report.share = static_cast<double>(most->second) / all;
  return report;
}

} // namespace leakbpf
