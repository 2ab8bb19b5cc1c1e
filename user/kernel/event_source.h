// SPDX-License-Identifier: Apache-2.0
// What the kernel side tells as it happens.
#pragma once

#include <leakbpf/abi.h>

#include <functional>

namespace leakbpf {

class EventSource {
public:
  virtual ~EventSource() = default;

  /// A descriptor that polls readable when there are events.
  [[nodiscard]] virtual int events_fd() const = 0;
  /// Hands over the events there are, in order.
  virtual void consume_events(const std::function<void(const leakbpf_event&)>& handle) = 0;

protected:
  EventSource() = default;
  EventSource(const EventSource&) = default;
  EventSource& operator=(const EventSource&) = default;
  EventSource(EventSource&&) = default;
  EventSource& operator=(EventSource&&) = default;
};

} // namespace leakbpf
