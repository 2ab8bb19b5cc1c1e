// SPDX-License-Identifier: Apache-2.0
// Allocates as Node programs do, in many ways, until it is killed.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const zlib = require('zlib');

function useJson() {
  const value = Array.from({ length: 60 }, (_, i) => ({ i, text: 'x'.repeat(i), nested: [i, { i }] }));
  return JSON.parse(JSON.stringify(value));
}

function useBuffers() {
  const parts = Array.from({ length: 20 }, (_, i) => Buffer.alloc(9000 + i, i));
  return Buffer.concat(parts).toString('base64').length;
}

function useCompression() {
  const data = Buffer.from('some text to compress '.repeat(400));
  zlib.gzip(data, (error, packed) => error || zlib.gunzip(packed, () => {}));
  return zlib.inflateSync(zlib.deflateSync(data)).length;
}

function useCrypto() {
  crypto.pbkdf2('password', 'salt', 20, 64, 'sha512', () => {});
  crypto.randomBytes(3000, () => {});
  const cipher = crypto.createCipheriv('aes-256-cbc', Buffer.alloc(32), Buffer.alloc(16));
  return Buffer.concat([cipher.update('text '.repeat(100)), cipher.final()]).length +
    crypto.createHash('sha256').update('x'.repeat(5000)).digest('hex').length;
}

function useFiles() {
  fs.readFile(__filename, () => {});
  fs.readdir('/proc/self/fd', () => {});
  return fs.readFileSync(__filename, 'utf8').split('\n').length;
}

function useErrors() {
  try {
    null.missing();
  } catch (error) {
    return new RegExp(`${error.name}.*(\\d+)`, 'u').exec(error.stack);
  }
}

const uses = [useJson, useBuffers, useCompression, useCrypto, useFiles, useErrors];

const server = http.createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ url: request.url, headers: request.headers, found: useJson() }));
});

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  setInterval(() => {
    http.get({ port, host: '127.0.0.1', path: '/x' }, (response) => response.resume());
  }, 5);
});

setInterval(() => uses[Math.floor(Math.random() * uses.length)](), 2);
