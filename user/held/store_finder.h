// SPDX-License-Identifier: Apache-2.0
// The lines that put something into a container, found in the bytecode of the functions that a
// process has: where its name is loaded, and what is then done with it.
#pragma once

#include "held/object_reader.h"
#include "held/opcodes.h"
#include "held/store_target.h"
#include "python/code_object.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

namespace leakbpf {

/// A place in a code object that stores into the container.
struct StoreSite {
  std::uint64_t code = 0;        ///< address of the code object
  std::uint32_t instruction = 0; ///< bytes into its bytecode
  std::string file;
  std::string function;
  std::uint32_t line = 0;
  std::string how;  ///< "append", "[] =", "+="
  bool hot = false; ///< the interpreter has made an instruction there for what it meets
};

/// Of places that may be what is looked for, those that run often, if any do. None when there are
/// more than three: then it is a name that everybody has.
[[nodiscard]] std::vector<StoreSite> likely(std::vector<StoreSite> sites);

class StoreFinder {
public:
  StoreFinder(const ObjectReader& reader, const PythonLayout& layout)
      : reader_(reader), layout_(layout), opcodes_(opcodes_of(layout.version)) {}

  /// Takes note of the code of a function, and of what is defined in it.
  void add_function(std::uint64_t function);
  [[nodiscard]] std::vector<StoreSite> find(const StoreTarget& target) const;
  /// Places in the application's own code that load something of the name of this code object's
  /// function, as a call of it does.
  [[nodiscard]] std::vector<StoreSite> find_calls(std::uint64_t code) const;
  /// Code objects of the same file that use the name of this one's function.
  [[nodiscard]] std::vector<std::uint64_t> callers_in_file(std::uint64_t code) const;
  /// The same by the text of a name.
  [[nodiscard]] std::vector<StoreSite> find_calls_by(const std::string& name) const;
  /// Places in a code object that assign one of its variables: by the address of its name.
  [[nodiscard]] std::vector<StoreSite> find_assignments(std::uint64_t code,
                                                        std::uint64_t variable) const;
  /// Calls by the address of a name.
  [[nodiscard]] std::vector<StoreSite> find_calls_of(std::uint64_t name) const;

private:
  struct Code {
    std::uint64_t address = 0;
    std::vector<std::uint64_t> names;  ///< of globals and attributes
    std::vector<std::uint64_t> locals; ///< of variables
    std::vector<std::uint64_t> constants;
    std::vector<std::uint64_t> cells; ///< of those that closures share; from 3.11 on, as `locals`
  };
  void add_code(std::uint64_t code, unsigned depth);
  [[nodiscard]] StoreSite site_at(std::uint64_t code, const CodeObject& object,
                                  std::uint32_t instruction, std::string how, bool hot) const;
  [[nodiscard]] std::uint64_t name_with(const std::string& text) const;
  void look_for_calls(const Code& code, std::uint64_t name, std::vector<StoreSite>& found) const;
  void look_into(const Code& code, const StoreTarget& target, std::vector<StoreSite>& found) const;
  [[nodiscard]] std::vector<std::uint8_t> bytecode(std::uint64_t code) const;
  [[nodiscard]] std::vector<std::uint64_t> tuple(std::uint64_t address) const;

  const ObjectReader& reader_;
  const PythonLayout& layout_;
  const OpcodeTable& opcodes_;
  std::unordered_set<std::uint64_t> known_;
  std::vector<Code> codes_;
};

} // namespace leakbpf
