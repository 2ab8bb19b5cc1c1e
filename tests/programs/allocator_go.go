// SPDX-License-Identifier: Apache-2.0
// Go that takes C's memory, in blocks of one size. What it says is told in allocator_family.c.
package main

// #include <stdlib.h>
import "C"

import (
	"fmt"
	"os"
)

const size = 12360

func waitForLine() {
	buffer := make([]byte, 1)
	for {
		n, err := os.Stdin.Read(buffer)
		if n != 1 || err != nil || buffer[0] == '\n' {
			return
		}
	}
}

func main() {
	fmt.Println("ready", os.Getpid())
	waitForLine()
	kept := 0
	for i := 0; i < 300; i++ {
		block := C.malloc(size)
		if i%3 == 0 {
			kept++
		} else {
			C.free(block)
		}
	}
	fmt.Println("heap", kept*size, kept)
	fmt.Println("done")
	waitForLine()
}
