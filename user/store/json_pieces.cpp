// SPDX-License-Identifier: Apache-2.0
#include "store/json_pieces.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// A tree takes up to 100 times its text: without a limit a small compressed file could take all
// memory.
constexpr std::size_t most_values = std::size_t{16} << 20;
constexpr std::size_t most_depth = 64;

/// Builds a tree of each piece. An event handler as nlohmann-json's sax_parse wants it: each event
/// returns whether to go on.
class PieceBuilder {
public:
  explicit PieceBuilder(PieceSink& sink) : sink_(sink) {}

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(std::int64_t value) { return scalar(value); }
  bool number_unsigned(std::uint64_t value) { return scalar(value); }
  bool number_float(double value, const std::string& /*text*/) { return scalar(value); }
  bool string(std::string& value) { return scalar(std::move(value)); }
  bool binary(InputJson::binary_t& /*value*/) { return false; } // not in text

  bool start_object(std::size_t /*unknown*/) { return start(InputJson::value_t::object); }
  bool end_object() { return end(); }
  bool start_array(std::size_t /*unknown*/) { return start(InputJson::value_t::array); }
  bool end_array() { return end(); }

  bool key(std::string& value) {
    if (depth_ == 1) {
      wanted_ = sink_.wants(value);
      key_ = std::move(value);
      index_.reset();
    } else if (wanted_) {
      member_ = &(*open_.back())[std::move(value)];
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const InputJson::exception& /*error*/) {
    error_at_ = position;
    return false;
  }

  /// Number of bytes up to where the text stopped to be JSON.
  [[nodiscard]] std::optional<std::size_t> error_at() const { return error_at_; }
  /// What else is wrong with the document, as in "nested too deeply".
  [[nodiscard]] const std::string& objection() const { return objection_; }

private:
  [[nodiscard]] bool object_to(std::string what) {
    objection_ = std::move(what);
    return false;
  }

  template <class Value> InputJson* put(Value&& value) {
    if (open_.empty())
      return &(piece_ = InputJson(std::forward<Value>(value)));
    if (open_.back()->is_array())
      return &open_.back()->emplace_back(std::forward<Value>(value));
    return &(*member_ = InputJson(std::forward<Value>(value)));
  }

  template <class Value> bool scalar(Value&& value) {
    if (depth_ == 0)
      return object_to("not an object");
    if (!wanted_)
      return true;
    put(std::forward<Value>(value));
    return ++values_ <= most_values ? deliver_whole() : object_to("too large");
  }

  bool start(InputJson::value_t type) {
    if (depth_ == 0 && type != InputJson::value_t::object)
      return object_to("not an object");
    if (++depth_ > most_depth)
      return object_to("nested too deeply");
    if (depth_ == 1 || !wanted_)
      return true;
    if (depth_ == 2 && type == InputJson::value_t::array)
      index_ = 0; // a list: its elements are the pieces
    else
      open_.push_back(put(type));
    return ++values_ <= most_values || object_to("too large");
  }

  bool end() {
    depth_--;
    if (depth_ == 0 || !wanted_ || open_.empty()) // the document, what is passed over, or a list
      return true;
    open_.pop_back();
    return deliver_whole();
  }

  bool deliver_whole() {
    if (!open_.empty())
      return true;
    const JsonPlace place{nullptr, key_, index_};
    if (index_)
      ++*index_;
    values_ = 0;
    return sink_.take(place, piece_);
  }

  PieceSink& sink_;
  std::size_t depth_ = 0;            ///< of open objects and lists
  bool wanted_ = false;              ///< the member that is being read
  std::string key_;                  ///< its key
  std::optional<std::size_t> index_; ///< of the next piece, when the member is a list
  InputJson piece_;
  std::vector<InputJson*> open_; ///< objects and lists of the piece, the innermost last
  InputJson* member_ = nullptr;  ///< of the innermost object: where its next value belongs
  std::size_t values_ = 0;       ///< of the piece
  std::optional<std::size_t> error_at_;
  std::string objection_;
};

Error cut_off(const std::string& name, std::size_t size) {
  return {ExitCode::io, fmt::format("{} is cut off: it ends in the middle, at byte {}", name, size),
          "copy it again, or take a new snapshot"};
}

} // namespace

Result<void> read_pieces(std::string_view text, const std::string& name, PieceSink& sink) {
  if (text.empty())
    return Error{ExitCode::io, name + " is empty",
                 "`leakbpf snapshot -o FILE` writes a file whole or not at all"};
  PieceBuilder builder(sink);
  InputJson::sax_parse(text, &builder);
  if (const auto at = builder.error_at())
    return *at > text.size()
               ? cut_off(name, text.size())
               : Error{ExitCode::io, fmt::format("{} is not JSON: see byte {}", name, *at),
                       "leakbpf reads files that `leakbpf snapshot` wrote, as .leakbpf or .json"};
  if (!builder.objection().empty())
    return Error{ExitCode::io,
                 fmt::format("{} is not a leakbpf snapshot: it is {}", name, builder.objection()),
                 "leakbpf reads files that `leakbpf snapshot` wrote, as .leakbpf or .json"};
  return {};
}

} // namespace leakbpf
