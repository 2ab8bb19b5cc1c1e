// SPDX-License-Identifier: Apache-2.0
// Reads a pprof profile back, for the test of the writer. The field numbers are those of
// google/pprof's profile.proto, written out again so that a wrong one shows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <protozero/pbf_reader.hpp>

namespace leakbpf {

struct PprofProfile {
  struct ValueType {
    std::string type;
    std::string unit;

    friend bool operator==(const ValueType&, const ValueType&) = default;
  };
  struct Sample {
    std::vector<std::uint64_t> locations;
    std::vector<std::int64_t> values;
    std::map<std::string, std::string> labels;
  };
  struct Mapping {
    std::uint64_t id = 0;
    std::uint64_t start = 0;
    std::uint64_t limit = 0;
    std::uint64_t offset = 0;
    std::string file;
    std::string build_id;
    bool functions = false;
    bool filenames = false;
    bool lines = false;
    bool inlined = false;
  };
  struct Line {
    std::uint64_t function = 0;
    std::int64_t line = 0;
  };
  struct Location {
    std::uint64_t id = 0;
    std::uint64_t mapping = 0;
    std::uint64_t address = 0;
    std::vector<Line> lines;
  };
  struct Function {
    std::uint64_t id = 0;
    std::string name;
    std::string system_name;
    std::string file;
  };

  std::vector<ValueType> sample_types;
  std::vector<Sample> samples;
  std::vector<Mapping> mappings;
  std::vector<Location> locations;
  std::vector<Function> functions;
  std::vector<std::string> strings;
  std::vector<std::size_t> string_uses; ///< how often each string is pointed to
  std::int64_t time = 0;
  std::int64_t duration = 0;
  ValueType period_type;
  std::int64_t period = 0;
  std::vector<std::string> comments;
  std::string default_sample_type;
};

class PprofReader {
public:
  explicit PprofReader(const std::string& data) : data_(data) {}

  [[nodiscard]] PprofProfile read() {
    protozero::pbf_reader strings(data_); // they come last, and are needed first
    while (strings.next(6))
      profile_.strings.push_back(strings.get_string());
    profile_.string_uses.resize(profile_.strings.size());
    protozero::pbf_reader message(data_);
    while (message.next())
      read_field(message);
    return std::move(profile_);
  }

private:
  void read_field(protozero::pbf_reader& message) {
    switch (message.tag()) {
    case 1:
      profile_.sample_types.push_back(value_type(message.get_message()));
      break;
    case 2:
      profile_.samples.push_back(sample(message.get_message()));
      break;
    case 3:
      profile_.mappings.push_back(mapping(message.get_message()));
      break;
    case 4:
      profile_.locations.push_back(location(message.get_message()));
      break;
    case 5:
      profile_.functions.push_back(function(message.get_message()));
      break;
    case 9:
      profile_.time = message.get_int64();
      break;
    case 10:
      profile_.duration = message.get_int64();
      break;
    case 11:
      profile_.period_type = value_type(message.get_message());
      break;
    case 12:
      profile_.period = message.get_int64();
      break;
    case 13:
      for (const std::int64_t index : message.get_packed_int64())
        profile_.comments.push_back(text(index));
      break;
    case 14:
      profile_.default_sample_type = text(message.get_int64());
      break;
    default:
      message.skip();
    }
  }

  /// Throws when there is no such string.
  std::string text(std::int64_t index) {
    profile_.string_uses.at(static_cast<std::size_t>(index))++;
    return profile_.strings.at(static_cast<std::size_t>(index));
  }

  PprofProfile::ValueType value_type(protozero::pbf_reader message) {
    PprofProfile::ValueType type;
    while (message.next())
      (message.tag() == 1 ? type.type : type.unit) = text(message.get_int64());
    return type;
  }

  PprofProfile::Sample sample(protozero::pbf_reader message) {
    PprofProfile::Sample sample;
    while (message.next()) {
      if (message.tag() == 1) {
        for (const std::uint64_t id : message.get_packed_uint64())
          sample.locations.push_back(id);
      } else if (message.tag() == 2) {
        for (const std::int64_t value : message.get_packed_int64())
          sample.values.push_back(value);
      } else {
        protozero::pbf_reader label = message.get_message();
        std::string key;
        std::string value;
        while (label.next())
          (label.tag() == 1 ? key : value) = text(label.get_int64());
        sample.labels[key] = value;
      }
    }
    return sample;
  }

  PprofProfile::Mapping mapping(protozero::pbf_reader message) {
    PprofProfile::Mapping mapping;
    const std::map<protozero::pbf_tag_type, std::uint64_t*> numbers{
        {1, &mapping.id}, {2, &mapping.start}, {3, &mapping.limit}, {4, &mapping.offset}};
    const std::map<protozero::pbf_tag_type, bool*> flags{{7, &mapping.functions},
                                                         {8, &mapping.filenames},
                                                         {9, &mapping.lines},
                                                         {10, &mapping.inlined}};
    while (message.next()) {
      if (message.tag() <= 4)
        *numbers.at(message.tag()) = message.get_uint64();
      else if (message.tag() <= 6)
        (message.tag() == 5 ? mapping.file : mapping.build_id) = text(message.get_int64());
      else
        *flags.at(message.tag()) = message.get_bool();
    }
    return mapping;
  }

  static PprofProfile::Location location(protozero::pbf_reader message) {
    PprofProfile::Location location;
    while (message.next()) {
      if (message.tag() == 4) {
        protozero::pbf_reader part = message.get_message();
        PprofProfile::Line& line = location.lines.emplace_back();
        while (part.next()) {
          if (part.tag() == 1)
            line.function = part.get_uint64();
          else
            line.line = part.get_int64();
        }
        continue;
      }
      const std::uint64_t number = message.get_uint64();
      (message.tag() == 1   ? location.id
       : message.tag() == 2 ? location.mapping
                            : location.address) = number;
    }
    return location;
  }

  PprofProfile::Function function(protozero::pbf_reader message) {
    PprofProfile::Function function;
    while (message.next()) {
      if (message.tag() == 1)
        function.id = message.get_uint64();
      else
        (message.tag() == 2   ? function.name
         : message.tag() == 3 ? function.system_name
                              : function.file) = text(message.get_int64());
    }
    return function;
  }

  const std::string& data_;
  PprofProfile profile_;
};

} // namespace leakbpf
