// SPDX-License-Identifier: Apache-2.0
// Go that calls C: the C part of a stack is on the system's stack, and ends in the runtime. What it
// says is told in unwind_case.h.
package main

/*
#cgo CFLAGS: -O2 -fomit-frame-pointer -g
#include <stdlib.h>

static void* volatile kept;

__attribute__((noipa)) void cgo_leaf(size_t size) {
  kept = malloc(size);
}

__attribute__((noipa)) int cgo_entry(size_t size) {
  char room[200];
  __asm__ volatile("" : : "r"(room) : "memory");
  cgo_leaf(size);
  __asm__ volatile("" : : "r"(room) : "memory");
  return room[0]; // so that the function that Go makes for the call does not end in a jump
}
*/
import "C"

import (
	"fmt"
	"os"
)

func waitForLine() {
	buffer := make([]byte, 1)
	for {
		n, err := os.Stdin.Read(buffer)
		if n != 1 || err != nil || buffer[0] == '\n' {
			return
		}
	}
}

//go:noinline
func goCaller(size int) {
	C.cgo_entry(C.size_t(size))
}

func main() {
	fmt.Println("expect cgo size=23001: cgo_leaf cgo_entry _cgo_*_Cfunc_cgo_entry runtime.asmcgocall* [stops]")
	fmt.Println("ready", os.Getpid())
	waitForLine()
	goCaller(23001)
	fmt.Println("done")
	waitForLine()
}
