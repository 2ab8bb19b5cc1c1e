// SPDX-License-Identifier: Apache-2.0
// Node's buffers outside of its own heap, in blocks of one size. What it says is told in
// allocator_family.c.
'use strict';
const fs = require('fs');
const size = 12360;

function waitForLine() {
  const byte = Buffer.alloc(1);
  while (fs.readSync(0, byte) === 1 && byte[0] !== 10) {
  }
}

fs.writeSync(1, `ready ${process.pid}\n`);
waitForLine();
const kept = [];
for (let i = 0; i < 200; i++)
  kept.push(i % 2 ? Buffer.alloc(size) : Buffer.allocUnsafeSlow(size));
fs.writeSync(1, `heap ${kept.length * size} ${kept.length}\ndone\n`);
waitForLine();
fs.writeSync(1, `${kept.length}\n`);
