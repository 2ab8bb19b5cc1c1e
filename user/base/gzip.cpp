// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"

#include <algorithm>
#include <limits>
#include <new>

#include <fmt/format.h>
#include <zlib.h>

namespace leakbpf {

namespace {

constexpr int gzip_format = 16 + MAX_WBITS; // zlib: 16 asks for gzip's header and checksum

// zlib counts what it is given at once in an unsigned int.
constexpr std::size_t most_at_once = std::numeric_limits<uInt>::max();

/// Offers zlib the next part of `data`, and takes away what it is offered.
void feed(z_stream& stream, std::string_view& data) {
  const std::size_t size = std::min(data.size(), most_at_once);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data())); // it only reads
  stream.avail_in = static_cast<uInt>(size);
  data.remove_prefix(size);
}

/// Room for zlib to write to behind the first `used` bytes of `out`.
void make_room(z_stream& stream, std::string& out, std::size_t used) {
  stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
  stream.avail_out = static_cast<uInt>(std::min(out.size() - used, most_at_once));
}

std::size_t room_used(const z_stream& stream, const std::string& out) {
  return static_cast<std::size_t>(reinterpret_cast<const char*>(stream.next_out) - out.data());
}

Error unpack_error(const std::string& why) {
  return Error{ExitCode::io, "cannot unpack the gzip data: " + why, ""};
}

class Inflater {
public:
  Inflater() {
    if (inflateInit2(&stream_, gzip_format) != Z_OK)
      throw std::bad_alloc();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  [[nodiscard]] Result<std::string> run(std::string_view data, std::size_t most_bytes);

private:
  /// The next member begins where this one ended; false: there is none.
  bool next_member(std::string_view& data);

  z_stream stream_{};
};

bool Inflater::next_member(std::string_view& data) {
  if (stream_.avail_in == 0)
    feed(stream_, data);
  return stream_.avail_in > 0 && inflateReset(&stream_) == Z_OK;
}

Result<std::string> Inflater::run(std::string_view data, std::size_t most_bytes) {
  constexpr std::size_t first_room = std::size_t{64} << 10;
  // One byte more than may be used tells data that is too long from data that fits exactly.
  const std::size_t most_room = most_bytes + (most_bytes < std::string().max_size() ? 1 : 0);
  std::string out(std::min(first_room, most_room), '\0');
  std::size_t used = 0;
  for (;;) {
    if (stream_.avail_in == 0)
      feed(stream_, data);
    make_room(stream_, out, used);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    used = room_used(stream_, out);
    if (used > most_bytes)
      return unpack_error(fmt::format("it would take more than {} bytes", most_bytes));
    if (status == Z_STREAM_END) {
      if (next_member(data))
        continue;
      out.resize(used);
      return out;
    }
    if (status == Z_MEM_ERROR)
      throw std::bad_alloc();
    if (status != Z_OK && status != Z_BUF_ERROR)
      return unpack_error("it is damaged");
    if (used == out.size())
      out.resize(out.size() > most_room / 2 ? most_room : out.size() * 2);
    else if (stream_.avail_in == 0 && data.empty())
      return unpack_error("its end is missing");
  }
}

} // namespace

std::string gzip(std::string_view data, int level) {
  z_stream stream{};
  constexpr int default_memory = 8;
  if (deflateInit2(&stream, std::clamp(level, 0, 9), Z_DEFLATED, gzip_format, default_memory,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  // zlib promises that all of it fits.
  std::string out(deflateBound(&stream, data.size()), '\0');
  std::size_t used = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    if (stream.avail_in == 0)
      feed(stream, data);
    make_room(stream, out, used);
    status = deflate(&stream, data.empty() ? Z_FINISH : Z_NO_FLUSH);
    used = room_used(stream, out);
  }
  deflateEnd(&stream);
  out.resize(used);
  return out;
}

Result<std::string> gunzip(std::string_view data, std::size_t most_bytes) {
  return Inflater().run(data, most_bytes);
}

bool is_gzip(std::string_view data) {
  return data.starts_with("\x1f\x8b");
}

} // namespace leakbpf
