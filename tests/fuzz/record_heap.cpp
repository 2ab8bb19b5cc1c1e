// SPDX-License-Identifier: Apache-2.0
// record_heap PID FILE: the memory of a Python process, for fuzz_held. Anything that can be read is
// written, but for large files.
#include "heap_image.h"
#include "held/heap_ranges.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

using namespace leakbpf; // NOLINT: a program of one page

int main(int count, char** words) {
  if (count != 3) {
    std::cerr << "usage: record_heap PID FILE\n";
    return 2;
  }
  const pid_t pid = std::atoi(words[1]); // NOLINT
  const ProcFs proc;
  const auto mappings = proc.mappings(pid);
  const auto python = mappings ? find_python(proc, pid, *mappings) : PythonSearch{};
  if (!python.process) {
    std::cerr << "no Python that is understood\n";
    return 1;
  }
  HeapImage image;
  image.minor = python.version->minor;
  image.runtime = python.process->runtime;
  const LiveMemory memory(pid);
  const auto heap = heap_ranges(*mappings);
  constexpr std::uint64_t most = 32 << 20;
  for (const Mapping& mapping : *mappings) {
    HeapImage::Piece piece;
    piece.start = mapping.start;
    piece.heap = std::any_of(heap.begin(), heap.end(),
                             [&](const HeapRange& range) { return range.start == mapping.start; });
    const bool interpreter = mapping.path.find("python") != std::string::npos;
    if (mapping.end - mapping.start > most || !(piece.heap || interpreter || mapping.writable))
      continue;
    piece.bytes.resize(mapping.end - mapping.start);
    if (memory.read(mapping.start, piece.bytes.data(), piece.bytes.size()))
      image.pieces[mapping.end] = std::move(piece);
  }
  image.save(words[2]);
  return 0;
}
