// SPDX-License-Identifier: Apache-2.0
// A service with a bounded cache, and with orders that are never forgotten: 8 MB of them a minute,
// however many requests come. `node shop_service.js PORT`
"use strict";
const http = require("node:http");

const cached = new Map();
const orders = [];
const started = performance.now();
const itemCount = 2500;
const cacheEntries = 2000;
const relatedItems = 100;
const orderBytes = 1470; // on V8's heap
const ordersPerMillisecond = (8 * 2 ** 20) / 60_000 / orderBytes;

function lookUp(number) {
  let item = cached.get(number);
  if (item === undefined) {
    const properties = Array.from({ length: number % 60 }, (_, i) => `property ${i} of ${number}`);
    item = { id: number, name: `item ${number}`, price: number * 1.5, properties };
    if (cached.size >= cacheEntries) cached.delete(cached.keys().next().value);
    cached.set(number, item);
  }
  return item;
}

// An item with the names of others. So many of these are looked up anew, each in place of an older
// one, that the garbage collector runs several times a minute: with few, its period would be longer
// than a measurement, which would then see nothing but growth.
function pageOf(number) {
  const others = Array.from({ length: relatedItems }, (_, i) => (number * 31 + i * 97) % itemCount);
  return { ...lookUp(number), related: others.map((one) => lookUp(one).name) };
}

function rememberOrder(number) {
  const lines = Array.from({ length: 20 }, (_, i) => ({ item: number * 20 + i, price: i * 1.5 }));
  orders.push({ number, lines, customer: { name: `customer ${number}` } });
}

function newOrders() {
  const due = Math.floor((performance.now() - started) * ordersPerMillisecond) - orders.length;
  for (let i = 0; i < due; i++) rememberOrder(orders.length);
  return { orders: orders.length };
}

http
  .createServer((request, response) => {
    const number = Number(request.url.split("/")[2]);
    const answer = request.method === "POST" ? newOrders() : pageOf(number);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(answer));
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
