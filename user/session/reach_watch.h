// SPDX-License-Identifier: Apache-2.0
// Looks again and again, in a thread of its own, who has pointers to old blocks of the stacks that
// grow. One look proves nothing: pointers move while memory is read. Of a block that was not
// reached in several looks, spread over a while, none is left.
#pragma once

#include "core/reach_report.h"
#include "core/site.h"
#include "target/proc_fs.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace leakbpf {

class ReachWatch {
public:
  struct Block {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    std::uint64_t time_ns = 0; ///< when it was taken: with the address it names one block
  };
  struct Question {
    SiteKey site;
    std::vector<Block> blocks;
  };

  /// `clock` tells seconds, for any thread.
  ReachWatch(const ProcFs& proc, std::function<double()> clock)
      : proc_(proc), clock_(std::move(clock)) {}
  ReachWatch(const ReachWatch&) = delete;
  ReachWatch& operator=(const ReachWatch&) = delete;
  /// Waits for what is being looked at.
  ~ReachWatch();

  /// May something be asked now?
  [[nodiscard]] bool is_due() const;
  /// Something is known of the block: it is to be asked about again.
  [[nodiscard]] bool knows(const SiteKey& site, const Block& block) const;
  /// Has a look at a process for all of these. `cost`: seconds of a core that it took to ask.
  void ask(pid_t pid, std::vector<Question> questions, double cost);
  /// Takes over what was found meanwhile.
  void take_answers();
  /// Waits for it.
  void finish();
  /// Nothing when too little is known.
  [[nodiscard]] std::optional<ReachReport> verdict(const SiteKey& site) const;

private:
  struct Answer {
    SiteKey site;
    Block block;
    bool known = false;
    bool lost = false;
    std::string by;
  };
  struct Looks {
    Block block;
    std::size_t looks = 0;
    std::size_t lost = 0;
    double first = 0; ///< seconds of the first look, and of the last
    double last = 0;
    std::string by; ///< at the last look at which it was held
  };

  void look(pid_t pid, const std::vector<Question>& questions);
  void count(const Answer& answer);

  const ProcFs& proc_;
  std::function<double()> clock_;
  std::thread thread_;
  std::atomic<bool> busy_ = false;
  double next_ = 0;
  double began_ = 0;
  double asking_cost_ = 0;
  std::vector<Answer> answers_; ///< the thread's while it is busy
  double cost_ = 0;             ///< so too: seconds of a core that the last look took
  std::unordered_map<SiteKey, std::map<std::uint64_t, Looks>, SiteKeyHash> sites_; ///< by address
};

} // namespace leakbpf
