// SPDX-License-Identifier: Apache-2.0
// The memory of a Python process, as record_heap wrote it, with changes on top.
#pragma once

#include "held/held_watch.h"

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace leakbpf {

struct HeapImage {
  std::uint32_t minor = 0;
  std::uint64_t runtime = 0;
  struct Piece {
    std::uint64_t start = 0;
    std::uint8_t heap = 0;
    std::vector<std::uint8_t> bytes;
  };
  std::map<std::uint64_t, Piece> pieces; ///< by their ends

  void save(const std::string& path) const {
    std::ofstream file(path, std::ios::binary);
    put(file, minor);
    put(file, runtime);
    for (const auto& [end, piece] : pieces) {
      put(file, piece.start);
      put(file, end);
      put(file, piece.heap);
      file.write(reinterpret_cast<const char*>(piece.bytes.data()), // NOLINT
                 static_cast<std::streamsize>(piece.bytes.size()));
    }
  }
  /// Without pieces when the file cannot be read.
  [[nodiscard]] static HeapImage load(const std::string& path) {
    HeapImage image;
    std::ifstream file(path, std::ios::binary);
    get(file, image.minor);
    get(file, image.runtime);
    Piece piece;
    std::uint64_t end = 0;
    while (get(file, piece.start) && get(file, end) && get(file, piece.heap)) {
      piece.bytes.resize(end - piece.start);
      file.read(reinterpret_cast<char*>(piece.bytes.data()), // NOLINT
                static_cast<std::streamsize>(piece.bytes.size()));
      image.pieces[end] = piece;
    }
    return image;
  }
  [[nodiscard]] std::uint8_t* at(std::uint64_t address, std::size_t size) {
    const auto piece = pieces.upper_bound(address);
    if (piece == pieces.end() || address < piece->second.start || size > piece->first - address)
      return nullptr;
    return &piece->second.bytes[address - piece->second.start];
  }

private:
  template <class T> static void put(std::ofstream& file, const T& value) {
    file.write(reinterpret_cast<const char*>(&value), sizeof(value)); // NOLINT
  }
  template <class T> static bool get(std::ifstream& file, T& value) {
    return static_cast<bool>(file.read(reinterpret_cast<char*>(&value), sizeof(value))); // NOLINT
  }
};

} // namespace leakbpf
