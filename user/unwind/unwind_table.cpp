// SPDX-License-Identifier: Apache-2.0
#include "unwind/unwind_table.h"

#include "unwind/cfi_reader.h"
#include "unwind/code_ranges.h"
#include "unwind/elf_code.h"
#include "unwind/rule_set.h"
#include "unwind/signal_return.h"
#include "unwind/start_code.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

namespace leakbpf {

namespace {

/// 64 MiB of leaves: several times what the largest browsers have.
constexpr std::size_t most_rows = std::size_t{1} << 24;

std::size_t index(Unsupported reason) {
  return static_cast<std::size_t>(reason);
}

/// The part of a function that lies in a code segment.
struct Placed {
  std::uint64_t begin = 0, end = 0; ///< virtual addresses
  std::uint64_t offset = 0;         ///< in the file, of `begin`

  /// File offset of a row: one from before the segment still holds where it begins.
  [[nodiscard]] std::uint32_t offset_of(std::uint64_t address) const {
    return static_cast<std::uint32_t>(offset + (std::max(address, begin) - begin));
  }
};

class TableBuilder {
public:
  explicit TableBuilder(const ElfFile& file) : file_(file), segments_(code_segments(file)) {}

  UnwindTable build();

private:
  std::vector<CodeRange> read(const CfiSection& section);
  void add_function(const Fde& fde, CfiProgram& program, std::vector<CodeRange>& ranges);
  bool add_rows(const Fde& fde, const Placed& placed, CfiProgram& program);
  void add_row(std::uint32_t offset, const CfiState& state);
  void add_row(std::uint32_t offset, std::uint16_t rule);
  std::vector<CodeRange> signal_returns(const std::vector<CodeRange>& covered);
  std::vector<CodeRange> start_code(const std::vector<CodeRange>& covered);
  [[nodiscard]] std::uint16_t number_of(const CfiState& state);
  [[nodiscard]] std::uint16_t rule_of_kind(leakbpf_cfa kind);
  std::uint16_t unsupported(Unsupported reason);
  void lose_function(Unsupported reason) { ++stats_.functions_with[index(reason)]; }
  [[nodiscard]] std::optional<Placed> place(const Fde& fde);

  const ElfFile& file_;
  std::vector<CodeSegment> segments_;
  RuleSet rules_;
  std::vector<UnwindRow> rows_;  ///< function after function, as they come
  std::size_t first_row_ = 0;    ///< of the function that is being read
  std::uint32_t reasons_ = 0;    ///< bits by enum Unsupported, met in that function
  std::size_t last_segment_ = 0; ///< most functions lie in the one of the function before
  UnwindTableStats stats_;
};

UnwindTable TableBuilder::build() {
  std::vector<CodeRange> ranges;
  if (const auto eh_frame = find_eh_frame(file_))
    ranges = read(eh_frame->section);
  ranges = fill_gaps(ranges, signal_returns(ranges));
  ranges = fill_gaps(ranges, start_code(ranges));
  if (const auto debug_frame = find_debug_frame(file_))
    ranges = fill_gaps(ranges, read(debug_frame->section));
  UnwindTable table;
  table.rows = flatten(ranges, rows_);
  table.rules = rules_.take();
  table.stats = stats_;
  return table;
}

std::vector<CodeRange> TableBuilder::read(const CfiSection& section) {
  CfiReader reader(section);
  CfiProgram program(section);
  std::vector<CodeRange> ranges;
  while (const auto fde = reader.next())
    add_function(*fde, program, ranges);
  stats_.damaged += reader.damaged();
  stats_.unreadable_bytes += reader.unreadable_bytes();
  sort_and_separate(ranges);
  return ranges;
}

void TableBuilder::add_function(const Fde& fde, CfiProgram& program,
                                std::vector<CodeRange>& ranges) {
  // Linkers leave the entries of functions that they drop, without an address or a size.
  if (fde.address == 0 || fde.size == 0)
    return;
  const auto placed = place(fde);
  if (!placed)
    return;
  const std::uint64_t size = placed->end - placed->begin;
  if (size > unwind_offset_limit || placed->offset > unwind_offset_limit - size)
    return lose_function(Unsupported::file_offset);
  if (rows_.size() >= most_rows)
    return lose_function(Unsupported::too_many_rows);
  first_row_ = rows_.size();
  reasons_ = 0;
  if (!add_rows(fde, *placed, program)) {
    // The range stays, without a rule: it is no padding behind another function.
    rows_.resize(first_row_);
    ++stats_.damaged;
  } else {
    ++stats_.functions;
    for (std::size_t reason = 0; reason < unsupported_count; ++reason)
      stats_.functions_with[reason] += reasons_ >> reason & 1U;
  }
  if (rows_.size() == first_row_)
    add_row(placed->offset_of(placed->begin), 0);
  ranges.push_back({placed->offset_of(placed->begin), placed->offset_of(placed->end),
                    static_cast<std::uint32_t>(first_row_),
                    static_cast<std::uint32_t>(rows_.size() - first_row_)});
}

/// False when the instructions are damaged.
bool TableBuilder::add_rows(const Fde& fde, const Placed& placed, CfiProgram& program) {
  if (fde.cie->signal_frame) {
    add_row(placed.offset_of(placed.begin), rule_of_kind(LEAKBPF_CFA_SIGNAL));
    return true;
  }
  program.start(*fde.cie, fde.instructions, fde.address);
  CfiProgram::Step step{};
  while ((step = program.next()) == CfiProgram::Step::row) {
    if (program.row_address() >= placed.end)
      return true;
    if (rows_.size() >= most_rows) {
      reasons_ |= 1U << index(Unsupported::too_many_rows);
      rows_.resize(first_row_);
      return true;
    }
    add_row(placed.offset_of(program.row_address()), program.state());
  }
  return step != CfiProgram::Step::damaged;
}

void TableBuilder::add_row(std::uint32_t offset, const CfiState& state) {
  add_row(offset, number_of(state));
}

void TableBuilder::add_row(std::uint32_t offset, std::uint16_t rule) {
  if (rows_.size() > first_row_) {
    if (rows_.back().rule == rule)
      return;
    if (rows_.back().offset == offset)
      rows_.pop_back();
  }
  rows_.push_back({offset, rule});
}

std::uint16_t TableBuilder::number_of(const CfiState& state) {
  const RuleOrReason made = make_rule(state);
  if (made.unsupported)
    return unsupported(*made.unsupported);
  const auto number = rules_.number_of(made.rule);
  if (!number)
    return unsupported(Unsupported::too_many_rules);
  if (made.rule.saved_fp == LEAKBPF_SAVED_FP_UNKNOWN)
    ++stats_.unknown_fp_rows;
  return *number;
}

std::uint16_t TableBuilder::unsupported(Unsupported reason) {
  ++stats_.rows[index(reason)];
  reasons_ |= 1U << index(reason);
  return rules_.unsupported();
}

std::vector<CodeRange> TableBuilder::signal_returns(const std::vector<CodeRange>& covered) {
  first_row_ = rows_.size();
  auto ranges =
      find_signal_returns(file_, segments_, covered, static_cast<std::uint32_t>(first_row_));
  if (!ranges.empty())
    add_row(0, rule_of_kind(LEAKBPF_CFA_SIGNAL));
  return ranges;
}

std::vector<CodeRange> TableBuilder::start_code(const std::vector<CodeRange>& covered) {
  first_row_ = rows_.size();
  auto ranges = find_start_code(file_, segments_, covered, static_cast<std::uint32_t>(first_row_));
  if (!ranges.empty())
    add_row(0, rule_of_kind(LEAKBPF_CFA_END));
  return ranges;
}

std::uint16_t TableBuilder::rule_of_kind(leakbpf_cfa kind) {
  const auto number = rules_.number_of(plain_rule(kind));
  return number ? *number : unsupported(Unsupported::too_many_rules);
}

std::optional<Placed> TableBuilder::place(const Fde& fde) {
  const auto reaches = [&](const CodeSegment& segment) {
    return segment.address + segment.size > fde.address && segment.address < fde.address + fde.size;
  };
  if (last_segment_ >= segments_.size() || !reaches(segments_[last_segment_])) {
    auto found = std::upper_bound(segments_.begin(), segments_.end(), fde.address,
                                  [](std::uint64_t address, const CodeSegment& segment) {
                                    return address < segment.address;
                                  });
    if (found != segments_.begin() && reaches(*(found - 1)))
      --found;
    if (found == segments_.end() || !reaches(*found))
      return std::nullopt;
    last_segment_ = static_cast<std::size_t>(found - segments_.begin());
  }
  const CodeSegment& segment = segments_[last_segment_];
  Placed placed;
  placed.begin = std::max(fde.address, segment.address);
  placed.end = std::min(fde.address + fde.size, segment.address + segment.size);
  placed.offset = segment.offset + (placed.begin - segment.address);
  return placed;
}

/// What we can unwind: the fields of other classes and byte orders have other places.
bool is_x86_64(const ElfFile& file) {
  GElf_Ehdr header{};
  return gelf_getehdr(file.elf(), &header) != nullptr && header.e_machine == EM_X86_64 &&
         header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB;
}

Error cannot_read(const ElfFile& file, const char* reason) {
  return Error{ExitCode::cannot_trace,
               "cannot read unwind information of " + file.path() + ": " + reason, ""};
}

} // namespace

const char* text(Unsupported reason) {
  switch (reason) {
  case Unsupported::cfa_expression:
    return "frame address by an unusual expression";
  case Unsupported::cfa_undefined:
    return "frame address not defined";
  case Unsupported::cfa_offset:
    return "frame of more than 2 GiB";
  case Unsupported::return_address_place:
    return "return address in an unusual place";
  case Unsupported::return_address_expression:
    return "return address by an expression";
  case Unsupported::too_many_rules:
    return "too many different rules in one file";
  case Unsupported::too_many_rows:
    return "too many rows in one file";
  case Unsupported::file_offset:
    return "code beyond 4 GiB in its file";
  }
  return "";
}

const leakbpf_unwind_rule& UnwindTable::rule_at(std::uint64_t file_offset) const {
  static constexpr leakbpf_unwind_rule none{};
  const auto after = std::upper_bound(
      rows.begin(), rows.end(), file_offset,
      [](std::uint64_t offset, const UnwindRow& row) { return offset < row.offset; });
  return after == rows.begin() ? none : rules[(after - 1)->rule];
}

Result<UnwindTable> build_unwind_table(const ElfFile& file) {
  const auto start = std::chrono::steady_clock::now();
  if (!is_x86_64(file))
    return cannot_read(file, "not x86-64 code");
  if (!file.unchanged())
    return cannot_read(file, "it was changed");
  UnwindTable table = TableBuilder(file).build();
  if (!file.unchanged())
    return cannot_read(file, "it was changed");
  table.stats.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return table;
}

} // namespace leakbpf
