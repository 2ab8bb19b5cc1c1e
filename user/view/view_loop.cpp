// SPDX-License-Identifier: Apache-2.0
#include "view/view_loop.h"

#include <array>
#include <csignal>
#include <utility>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace leakbpf {

namespace {

UniqueFd size_changes() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGWINCH);
  return UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

void take_changes(const UniqueFd& changes) {
  signalfd_siginfo change{};
  while (read(changes.get(), &change, sizeof change) == ssize_t{sizeof change})
    ;
}

/// False: the view is to close.
bool take_news(View& view, ViewExchange& exchange) {
  ViewExchange::News news = exchange.take_news();
  if (news.report)
    view.put(std::move(news.report));
  for (std::string& message : news.messages)
    view.tell(std::move(message));
  return !news.ends;
}

/// False: the person quits.
bool take_keys(View& view, Terminal& terminal, ViewExchange& exchange) {
  while (const auto key = terminal.read_key()) {
    auto command = view.press(*key);
    if (!command)
      continue;
    const bool quits = command->what == ViewCommand::What::quit;
    exchange.send(*std::move(command));
    if (quits)
      return false;
  }
  return true;
}

} // namespace

void run_view(View& view, Terminal& terminal, ViewExchange& exchange) {
  const UniqueFd changes = size_changes();
  for (;;) {
    terminal.draw(view.draw(terminal.size()));
    std::array<pollfd, 3> fds{pollfd{STDIN_FILENO, POLLIN, 0},
                              pollfd{exchange.news_fd(), POLLIN, 0},
                              pollfd{changes.get(), POLLIN, 0}};
    poll(fds.data(), fds.size(), -1);
    if ((fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
      exchange.send({}); // quit: nobody sees it any more
      return;
    }
    if (fds[2].revents != 0) {
      take_changes(changes);
      terminal.fit();
    }
    if (fds[1].revents != 0 && !take_news(view, exchange))
      return;
    if (fds[0].revents != 0 && !take_keys(view, terminal, exchange))
      return;
  }
}

} // namespace leakbpf
