// SPDX-License-Identifier: Apache-2.0
// Kind: a function whose own name is the last word of some thousand letters.
// Build: g++ -std=c++17 -O2 expression_tree.cpp -o expression_tree
// Run: ./expression_tree
// Culprit: keep_result
// True: Evaluation<...>::keep_result leaks 4,000 bytes 80 times a second.
#include <cstdlib>
#include <cstring>

#include <unistd.h>

template <class Left, class Right> struct Sum {};
template <int depth> struct Tree {
  using Type = Sum<typename Tree<depth - 1>::Type, typename Tree<depth - 1>::Type>;
};
template <> struct Tree<0> { using Type = double; };

static void* volatile kept;

template <class Expression> struct Evaluation {
  [[gnu::noinline]] void keep_result(int number) {
    void* result = std::malloc(4000); // LEAK
    std::memset(result, number, 4000);
    kept = result;
  }
};

int main() {
  Evaluation<Tree<8>::Type> evaluation;
  for (int number = 0;; number++) {
    evaluation.keep_result(number);
    usleep(12000);
  }
}
