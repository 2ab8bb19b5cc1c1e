// SPDX-License-Identifier: Apache-2.0
#include "child.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace leakbpf::e2e {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_until(Clock::time_point deadline) {
  return std::chrono::duration<double>(deadline - Clock::now()).count();
}

Clock::time_point after(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

} // namespace

Child::Child(const std::vector<std::string>& arguments) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (pipe2(in.data(), O_CLOEXEC) || pipe2(out.data(), O_CLOEXEC))
    throw std::runtime_error("pipe2 failed");
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (std::string& copy : copies)
    pointers.push_back(copy.data());
  pointers.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(out[1], STDERR_FILENO);
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  input_ = UniqueFd(in[1]);
  output_ = UniqueFd(out[0]);
}

Child::~Child() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void Child::write_line(const std::string& line) {
  const std::string text = line + "\n";
  if (write(input_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("cannot write to the child");
}

bool Child::read_some(double seconds) {
  pollfd fd{output_.get(), POLLIN, 0};
  if (poll(&fd, 1, std::max(0, static_cast<int>(seconds * 1000))) <= 0)
    return false;
  std::array<char, 4096> chunk{};
  const ssize_t got = read(output_.get(), chunk.data(), chunk.size());
  if (got <= 0)
    return false;
  buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  return true;
}

std::string Child::wait_for(const std::function<bool(const std::string&)>& wanted, double seconds) {
  const auto deadline = after(seconds);
  for (;;) {
    for (std::size_t end = 0; (end = buffer_.find('\n')) != std::string::npos;) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (wanted(line))
        return line;
      seen_ += line + "\n";
    }
    if (!read_some(seconds_until(deadline)))
      throw std::runtime_error("the awaited line did not come; instead:\n" + seen_ + buffer_);
  }
}

std::string Child::wait_for_prefix(const std::string& prefix, double seconds) {
  return wait_for([&](const std::string& line) { return line.starts_with(prefix); }, seconds);
}

void Child::signal(int number) const {
  kill(pid_, number);
}

bool Child::has_ended() const {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid != 0;
}

int Child::wait_end(double seconds) {
  const auto deadline = after(seconds);
  while (read_some(seconds_until(deadline))) {
  }
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (seconds_until(deadline) < 0)
      throw std::runtime_error("the child does not end; it said:\n" + seen_ + buffer_);
    usleep(2000);
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string Child::rest() {
  return seen_ + buffer_;
}

TemporaryFile::TemporaryFile() {
  std::string path = "/tmp/leakbpf-test.XXXXXX";
  close(mkstemp(path.data()));
  path_ = path;
}

TemporaryFile::~TemporaryFile() {
  unlink(path_.c_str());
}

std::string TemporaryFile::text() const {
  std::ifstream in(path_);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Finished run_program(const std::vector<std::string>& arguments, double seconds) {
  Child child(arguments);
  Finished finished;
  finished.status = child.wait_end(seconds);
  finished.output = child.rest();
  return finished;
}

std::string built(const std::string& name) {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  std::string self(path.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
  self = self.substr(0, self.rfind('/')); // BUILD/tests
  return self.substr(0, self.rfind('/')) + "/" + name;
}

std::vector<std::string> backends_to_test() {
  const char* chosen = std::getenv("LEAKBPF_TEST_BACKENDS");
  std::vector<std::string> backends;
  std::istringstream words(chosen ? chosen : "session,multi,perf");
  for (std::string word; std::getline(words, word, ',');)
    backends.push_back(word);
  return backends;
}

} // namespace leakbpf::e2e
