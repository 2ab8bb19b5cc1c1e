// SPDX-License-Identifier: Apache-2.0
// A service that builds and serialises a hundred objects for each request, and keeps nothing:
// `node object_service.js PORT`
"use strict";
const http = require("node:http");

const itemCount = 100;
let requests = 0;

function makeItem(number) {
  const tags = Array.from({ length: 5 }, (_, i) => `tag ${i} of ${number}`);
  return { id: number, name: `item ${number}`, price: number * 1.5, tags };
}

http
  .createServer((request, response) => {
    const first = requests++;
    const items = Array.from({ length: itemCount }, (_, i) => makeItem(first + i));
    const body = Buffer.from(JSON.stringify(items));
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": body.length });
    response.end(body);
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
