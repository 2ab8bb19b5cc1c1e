/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Program counter -> rule, with a cache: the second visit of a place needs one lookup. */
#pragma once

#include "mapping.bpf.h"
#include "probes.bpf.h"
#include "tables.bpf.h"

#include <leakbpf/unwind_step.h>

#define RULE_CACHE_LINES (1U << 14)
#define RULE_CACHE_WAYS 4

/* Each entry is one word, so that it is never seen half written: the upper 48 bits of a hash of the
 * address space and the program counter, and the rule. */
struct rule_cache_line {
  __u64 entry[RULE_CACHE_WAYS];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, RULE_CACHE_LINES);
  __type(key, __u32);
  __type(value, struct rule_cache_line);
} rule_cache SEC(".maps");

#define RULE_BITS 0xffffULL
/* Not a rule: see walk->end. */
#define NO_RULE LEAKBPF_UNWIND_MAX_RULES

static __always_inline __u64 rule_cache_hash(__u64 pc, __u32 space) {
  return unwind_hash(unwind_hash(space, 0x5bd1e995), pc);
}

/* The rule for `pc` from the mappings and tables; NO_RULE, with walk->end set, when there is none
 * and the frame pointer cannot be trusted instead. */
static NO_INLINE __u32 rule_find(struct walk* walk, __u64 pc) {
  if (!walk)
    return NO_RULE;
  struct code_query code = {.address = pc};
  int error = mapping_find(&code, walk->space);
  if (error == -ERROR_BUSY) {
    walk->end = LEAKBPF_STACK_MAPPINGS_BUSY;
    return NO_RULE;
  }
  if (error || !code.executable) {
    walk->end = LEAKBPF_STACK_NOT_CODE;
    return NO_RULE;
  }
  if (!code.has_file)
    return 0;
  struct leakbpf_unwind_file* file = bpf_map_lookup_elem(&unwind_files, &code.mapping.file);
  if (!file) {
    walk->code = code.mapping;
    walk->end = LEAKBPF_STACK_NO_TABLE;
    return NO_RULE;
  }
  return table_find_rule(file, pc - code.mapping.start + code.mapping.offset);
}

/* Looks in the tables and keeps the answer: the newest entry of a line comes first. */
VERIFIED_ONCE __u32 rule_fetch(struct walk* walk, __u64 pc, __u64 hash) {
  __u32 index = (__u32)hash & (RULE_CACHE_LINES - 1);
  __u32 rule = rule_find(walk, pc);
  if (rule >= LEAKBPF_UNWIND_MAX_RULES)
    return NO_RULE;
  struct rule_cache_line* line = bpf_map_lookup_elem(&rule_cache, &index);
  if (!line)
    return rule;
  for (int i = RULE_CACHE_WAYS - 1; i > 0; i--)
    line->entry[i] = line->entry[i - 1];
  line->entry[0] = (hash & ~RULE_BITS) | rule;
  return rule;
}

static __always_inline __u32 rule_at(struct walk* walk, __u64 pc) {
  __u64 hash = rule_cache_hash(pc, walk->space);
  __u32 index = (__u32)hash & (RULE_CACHE_LINES - 1);
  struct rule_cache_line* line = bpf_map_lookup_elem(&rule_cache, &index);
  if (likely(line)) {
    for (int i = 0; i < RULE_CACHE_WAYS; i++) {
      __u64 entry = line->entry[i];
      if (!((entry ^ hash) & ~RULE_BITS))
        return (__u32)(entry & RULE_BITS);
    }
  }
  return rule_fetch(walk, pc, hash);
}
