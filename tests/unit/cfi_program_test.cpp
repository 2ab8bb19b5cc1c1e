// SPDX-License-Identifier: Apache-2.0
// Each instruction of call-frame information, and the rule that its state becomes.
#include "cfi_bytes.h"
#include "unwind/cfi_program.h"
#include "unwind/rule_set.h"
#include "unwind_fixture.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <dwarf.h>

using leakbpf::CfiProgram;
using leakbpf::CfiSection;
using leakbpf::Cie;
using leakbpf::make_rule;
using leakbpf::Unsupported;
using leakbpf::cfi::Bytes;
using namespace leakbpf::unwind_fixture;

namespace {

struct Row {
  std::uint64_t address = 0;
  leakbpf_unwind_rule rule{};
  std::optional<Unsupported> unsupported;
};

struct CfiOutcome {
  std::vector<Row> rows;
  bool damaged = false;
};

constexpr std::uint64_t start = 0x1000;
constexpr std::uint64_t section_address = 0x8000;

/// Runs `instructions` after those that every CIE has.
CfiOutcome run(const Bytes& instructions, std::uint64_t code_alignment = 1) {
  CfiSection section;
  section.bytes = instructions;
  section.address = section_address;
  CfiProgram program(section);
  Cie cie;
  cie.code_alignment = code_alignment;
  cie.data_alignment = -8;
  cie.code_encoding = 0x1b; // pcrel, sdata4
  const Bytes initial = leakbpf::cfi::usual_start();
  program.start_initial(cie, {initial.data(), initial.data() + initial.size()});
  REQUIRE(program.next() == CfiProgram::Step::row);
  cie.initial = program.state();

  CfiOutcome outcome;
  program.start(cie, {instructions.data(), instructions.data() + instructions.size()}, start);
  CfiProgram::Step step{};
  while ((step = program.next()) == CfiProgram::Step::row) {
    const auto made = make_rule(program.state());
    outcome.rows.push_back({program.row_address(), made.rule, made.unsupported});
  }
  outcome.damaged = step == CfiProgram::Step::damaged;
  CHECK(program.next() == CfiProgram::Step::end);
  return outcome;
}

/// The one row that instructions without an advance give.
Row state_after(const Bytes& instructions) {
  const CfiOutcome outcome = run(instructions);
  REQUIRE_FALSE(outcome.damaged);
  REQUIRE(outcome.rows.size() == 1);
  return outcome.rows[0];
}

leakbpf_unwind_rule rule_after(const Bytes& instructions) {
  const Row row = state_after(instructions);
  CHECK_FALSE(row.unsupported);
  return row.rule;
}

Unsupported reason_after(const Bytes& instructions) {
  const Row row = state_after(instructions);
  CHECK(row.rule == only(LEAKBPF_CFA_UNSUPPORTED));
  REQUIRE(row.unsupported);
  return *row.unsupported;
}

std::vector<std::uint64_t> addresses(const Bytes& instructions, std::uint64_t code_alignment = 1) {
  const CfiOutcome outcome = run(instructions, code_alignment);
  REQUIRE_FALSE(outcome.damaged);
  std::vector<std::uint64_t> found;
  for (const Row& row : outcome.rows)
    found.push_back(row.address);
  return found;
}

Bytes cfa_by(const Bytes& expression) {
  return Bytes{DW_CFA_def_cfa_expression}.block(expression);
}

Bytes fp_by(const Bytes& expression) {
  return Bytes{DW_CFA_expression, 6}.block(expression);
}

const auto usual = at(7, 8);

} // namespace

TEST_CASE("cfi: a function without instructions is as its CIE says", "[unwind]") {
  const CfiOutcome outcome = run({});
  REQUIRE(outcome.rows.size() == 1);
  CHECK(outcome.rows[0].address == start);
  CHECK(outcome.rows[0].rule == usual);
  CHECK(rule_after({DW_CFA_nop, DW_CFA_nop}) == usual);
  CHECK(rule_after(Bytes{DW_CFA_GNU_args_size}.uleb(300)) == usual);
}

TEST_CASE("cfi: the CFA from a register", "[unwind]") {
  CHECK(rule_after({DW_CFA_def_cfa, 6, 16}) == at(6, 16));
  CHECK(rule_after({DW_CFA_def_cfa_register, 10}) == at(10, 8));
  CHECK(rule_after(Bytes{DW_CFA_def_cfa_offset}.uleb(65600)) == at(7, 65600));
  CHECK(rule_after(Bytes{DW_CFA_def_cfa_offset_sf}.sleb(-4)) == at(7, 32));
  CHECK(rule_after(Bytes{DW_CFA_def_cfa_sf, 15}.sleb(1)) == at(15, -8));
  CHECK(rule_after(Bytes{DW_CFA_def_cfa_offset}.uleb(0x7fffffff)) == at(7, 0x7fffffff));
}

TEST_CASE("cfi: a CFA that a rule cannot say", "[unwind]") {
  CHECK(reason_after({DW_CFA_def_cfa, 17, 16}) == Unsupported::cfa_undefined);
  CHECK(reason_after(Bytes{DW_CFA_def_cfa_offset}.uleb(0x80000000)) == Unsupported::cfa_offset);
  CHECK(reason_after(Bytes{DW_CFA_def_cfa_sf, 7}.sleb(std::int64_t{1} << 40)) ==
        Unsupported::cfa_offset);
  CHECK(make_rule({}).unsupported == Unsupported::cfa_undefined);
}

TEST_CASE("cfi: the CFA by an expression", "[unwind]") {
  const auto memory = [](int base, int offset, int add) {
    auto rule = at(base, offset);
    rule.cfa = LEAKBPF_CFA_MEMORY;
    rule.cfa_add = static_cast<std::int16_t>(add);
    return rule;
  };
  CHECK(rule_after(cfa_by(Bytes{DW_OP_breg0 + 3}.sleb(24))) == at(3, 24));
  CHECK(rule_after(cfa_by(Bytes{DW_OP_bregx, 12}.sleb(-24))) == at(12, -24));
  CHECK(rule_after(cfa_by({DW_OP_breg6, 0x78, DW_OP_deref})) == memory(6, -8, 0));
  CHECK(rule_after(cfa_by(Bytes{DW_OP_breg7}.sleb(544).add({DW_OP_deref, DW_OP_plus_uconst, 8}))) ==
        memory(7, 544, 8));
  const std::vector<Bytes> sixteen = {
      {DW_OP_lit16},
      {DW_OP_const1u, 16},
      {DW_OP_const1s, 16},
      {DW_OP_const2u, 16, 0},
      {DW_OP_const2s, 16, 0},
      {DW_OP_const4u, 16, 0, 0, 0},
      {DW_OP_const4s, 16, 0, 0, 0},
      {DW_OP_const8u, 16, 0, 0, 0, 0, 0, 0, 0},
      {DW_OP_const8s, 16, 0, 0, 0, 0, 0, 0, 0},
      {DW_OP_constu, 16},
      {DW_OP_consts, 16},
  };
  for (const Bytes& constant : sixteen) {
    const Bytes address{DW_OP_breg7, 8, DW_OP_deref};
    CHECK(rule_after(cfa_by(Bytes(address).add(constant).add({DW_OP_plus}))) == memory(7, 8, 16));
    CHECK(rule_after(cfa_by(Bytes(constant).add(address).add({DW_OP_plus}))) == memory(7, 8, 16));
    CHECK(rule_after(cfa_by(Bytes(address).add(constant).add({DW_OP_minus}))) == memory(7, 8, -16));
  }
  CHECK(rule_after(cfa_by({DW_OP_nop, DW_OP_breg7, 8})) == at(7, 8));
}

TEST_CASE("cfi: from an expression back to a register", "[unwind]") {
  const Bytes by_expression = Bytes{DW_CFA_def_cfa_offset, 48}.add(cfa_by({DW_OP_plus}));
  CHECK(rule_after(Bytes(by_expression).add({DW_CFA_def_cfa_register, 6})) == at(6, 48));
  CHECK(rule_after(
            Bytes(by_expression).add({DW_CFA_def_cfa_offset, 16, DW_CFA_def_cfa_register, 6})) ==
        at(6, 16));
  CHECK(reason_after(Bytes(by_expression).add({DW_CFA_def_cfa_offset, 16})) ==
        Unsupported::cfa_expression);
}

TEST_CASE("cfi: the CFA in a procedure linkage table", "[unwind]") {
  for (const unsigned threshold : {10U, 11U}) {
    Bytes expression{DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and};
    expression.u8(DW_OP_lit0 + threshold).add({DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus});
    auto rule = at(7, 8);
    rule.cfa = LEAKBPF_CFA_PLT;
    rule.cfa_add = static_cast<std::int16_t>(threshold);
    CHECK(rule_after(cfa_by(expression)) == rule);
    for (std::size_t i = 0; i < expression.size(); ++i) {
      INFO("without the bytes from " << i);
      const Bytes cut(expression.begin(), expression.begin() + static_cast<std::ptrdiff_t>(i));
      if (i != 2) // rsp + 8 alone is a good expression
        CHECK(reason_after(cfa_by(cut)) == Unsupported::cfa_expression);
    }
    CHECK(reason_after(cfa_by(Bytes(expression).add({DW_OP_nop}))) == Unsupported::cfa_expression);
  }
}

TEST_CASE("cfi: expressions of other forms are told apart", "[unwind]") {
  const std::vector<Bytes> unusual = {
      {},
      {DW_OP_lit8},
      {DW_OP_plus},
      {DW_OP_breg16, 0},
      {DW_OP_breg7},                                           // no operand
      {DW_OP_breg7, 8, DW_OP_breg6, 0, DW_OP_plus},            // two registers
      {DW_OP_breg7, 8, DW_OP_deref, DW_OP_deref},              // two steps
      {DW_OP_lit8, DW_OP_breg7, 8, DW_OP_minus},               // less a register
      {DW_OP_breg7, 8, DW_OP_breg9, 0, DW_OP_lit8, DW_OP_mul}, // as in hand-written code
      Bytes(1000, DW_OP_lit1),                                 // a deep stack
      Bytes{DW_OP_bregx}.uleb(1ULL << 40).sleb(0),
  };
  for (const Bytes& expression : unusual)
    CHECK(reason_after(cfa_by(expression)) == Unsupported::cfa_expression);
}

TEST_CASE("cfi: the return address", "[unwind]") {
  auto in_rdi = usual;
  in_rdi.return_register = LEAKBPF_REGISTER_DI;
  CHECK(rule_after({DW_CFA_register, 16, 5}) == in_rdi); // as in vfork
  CHECK(rule_after({DW_CFA_undefined, 16}) == only(LEAKBPF_CFA_END));
  // Whatever the CFA is then.
  CHECK(rule_after(Bytes{DW_CFA_undefined, 16}.add(cfa_by({DW_OP_plus}))) == only(LEAKBPF_CFA_END));
  CHECK(rule_after({DW_CFA_undefined, 16, DW_CFA_restore | 16}) == usual);
  CHECK(rule_after({DW_CFA_register, 16, 5, DW_CFA_restore_extended, 16}) == usual);
  CHECK(reason_after({DW_CFA_offset | 16, 2}) == Unsupported::return_address_place);
  CHECK(reason_after({DW_CFA_same_value, 16}) == Unsupported::return_address_place);
  CHECK(reason_after({DW_CFA_register, 16, 17}) == Unsupported::return_address_place);
  CHECK(reason_after({DW_CFA_expression, 16, 2, DW_OP_breg7, 8}) ==
        Unsupported::return_address_expression);
  CHECK(reason_after({DW_CFA_val_expression, 16, 2, DW_OP_breg7, 8}) ==
        Unsupported::return_address_expression);
  CHECK(reason_after({DW_CFA_val_offset, 16, 2}) == Unsupported::return_address_expression);
}

TEST_CASE("cfi: the frame pointer", "[unwind]") {
  const auto at_cfa = [](int offset) { return with_fp(usual, LEAKBPF_SAVED_FP_CFA, offset); };
  const auto unknown = with_fp(usual, LEAKBPF_SAVED_FP_UNKNOWN);
  CHECK(rule_after({DW_CFA_offset | 6, 2}) == at_cfa(-16));
  CHECK(rule_after(Bytes{DW_CFA_offset_extended, 6}.uleb(20)) == at_cfa(-160));
  CHECK(rule_after(Bytes{DW_CFA_offset_extended_sf, 6}.sleb(-2)) == at_cfa(16));
  CHECK(rule_after(Bytes{DW_CFA_GNU_negative_offset_extended, 6}.uleb(2)) == at_cfa(16));
  CHECK(rule_after(fp_by({DW_OP_plus_uconst, 24})) == at_cfa(24));
  CHECK(rule_after({DW_CFA_undefined, 6}) == unknown);
  CHECK(rule_after({DW_CFA_undefined, 6, DW_CFA_same_value, 6}) == usual);
  CHECK(rule_after({DW_CFA_offset | 6, 2, DW_CFA_restore | 6}) == usual);
  CHECK(rule_after({DW_CFA_offset | 6, 2, DW_CFA_restore_extended, 6}) == usual);
  CHECK(rule_after({DW_CFA_register, 6, 12}) == with_fp(usual, LEAKBPF_SAVED_FP_MOVED + 12));
  CHECK(rule_after({DW_CFA_register, 6, 6}) == usual);
  CHECK(rule_after({DW_CFA_register, 6, 17}) == unknown);
  // Where GCC realigns the stack: saved at *rbp.
  CHECK(rule_after(fp_by({DW_OP_breg6, 0})) == with_fp(usual, LEAKBPF_SAVED_FP_REGISTER + 6));
  CHECK(rule_after(fp_by({DW_OP_breg0 + 10, 0x70})) ==
        with_fp(usual, LEAKBPF_SAVED_FP_REGISTER + 10, -16));
  CHECK(rule_after(fp_by({DW_OP_breg6, 0, DW_OP_deref})) == unknown);
  CHECK(rule_after(Bytes{DW_CFA_offset_extended, 6}.uleb(1ULL << 40)) == unknown);
  CHECK(rule_after({DW_CFA_val_offset, 6, 2}) == unknown);
  CHECK(rule_after(Bytes{DW_CFA_val_offset_sf, 6}.sleb(-200)) == unknown);
  CHECK(rule_after({DW_CFA_val_expression, 6, 1, DW_OP_lit0}) == unknown);
}

TEST_CASE("cfi: other registers change nothing", "[unwind]") {
  CHECK(rule_after({DW_CFA_offset | 3, 2, DW_CFA_restore | 3, DW_CFA_undefined, 12,
                    DW_CFA_expression, 14, 1, DW_OP_plus}) == usual);
}

TEST_CASE("cfi: rows begin where the address moves on", "[unwind]") {
  const std::vector<std::uint64_t> expected = {start, start + 4};
  CHECK(addresses({DW_CFA_advance_loc | 4}) == expected);
  CHECK(addresses({DW_CFA_advance_loc1, 4}) == expected);
  CHECK(addresses({DW_CFA_advance_loc2, 4, 0}) == expected);
  CHECK(addresses({DW_CFA_advance_loc4, 4, 0, 0, 0}) == expected);
  CHECK(addresses({DW_CFA_MIPS_advance_loc8, 4, 0, 0, 0, 0, 0, 0, 0}) == expected);
  CHECK(addresses({DW_CFA_advance_loc | 2}, 2) == expected);
  CHECK(addresses({DW_CFA_advance_loc | 0, DW_CFA_advance_loc | 4}) == expected);
  const auto back = static_cast<std::int32_t>(start + 4 - (section_address + 1));
  CHECK(addresses(Bytes{DW_CFA_set_loc}.fixed(back)) == expected);
  const CfiOutcome outcome = run({DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16,
                                  DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6});
  REQUIRE(outcome.rows.size() == 3);
  CHECK(outcome.rows[0].rule == usual);
  CHECK(outcome.rows[1].rule == at(7, 16));
  CHECK(outcome.rows[2].rule == at(6, 16));
  CHECK(outcome.rows[2].address == start + 4);
}

TEST_CASE("cfi: states are remembered with their CFA", "[unwind]") {
  const CfiOutcome outcome =
      run({DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2, DW_CFA_remember_state,
           DW_CFA_advance_loc | 1, DW_CFA_def_cfa, 6, 32, DW_CFA_restore | 6, DW_CFA_remember_state,
           DW_CFA_def_cfa_offset, 48, DW_CFA_restore_state, DW_CFA_advance_loc | 1,
           DW_CFA_restore_state});
  REQUIRE(outcome.rows.size() == 3);
  CHECK(outcome.rows[0].rule == with_fp(at(7, 16), LEAKBPF_SAVED_FP_CFA, -16));
  CHECK(outcome.rows[1].rule == at(6, 32));
  CHECK(outcome.rows[2].rule == outcome.rows[0].rule);
}

TEST_CASE("cfi: a CIE defines the CFA first", "[unwind]") {
  const Cie cie;
  const CfiSection section;
  CfiProgram program(section);
  for (const Bytes& instructions :
       {Bytes{DW_CFA_def_cfa_register, 6}, Bytes{DW_CFA_def_cfa_offset, 8},
        Bytes{DW_CFA_restore | 6}, Bytes{DW_CFA_advance_loc | 1}}) {
    program.start_initial(cie, {instructions.data(), instructions.data() + instructions.size()});
    CHECK(program.next() == CfiProgram::Step::damaged);
  }
}

TEST_CASE("cfi: instructions that cannot be right are damage", "[unwind]") {
  const auto behind = static_cast<std::int32_t>(start - 4 - (section_address + 1));
  const std::vector<Bytes> damaged = {
      {DW_CFA_restore_state},
      Bytes(1000, DW_CFA_remember_state),
      {0x3f},
      {DW_CFA_def_cfa},
      {DW_CFA_def_cfa, 0x80},
      {DW_CFA_advance_loc4, 1, 2, 3},
      {DW_CFA_offset | 6},
      {DW_CFA_def_cfa_expression, 9, DW_OP_breg7, 8},
      {DW_CFA_val_expression, 6, 2, DW_OP_lit0},
      Bytes{DW_CFA_set_loc}.fixed(behind),
      Bytes{DW_CFA_MIPS_advance_loc8}.u64(std::numeric_limits<std::uint64_t>::max()),
      Bytes{DW_CFA_def_cfa, 7}.add(Bytes(20, 0xff)).u8(0),
  };
  for (std::size_t i = 0; i < damaged.size(); ++i) {
    INFO("case " << i);
    CHECK(run(damaged[i]).damaged);
  }
}
