# node: start-up, JIT, garbage collection, workers with shared memory, child processes, files, sockets, WebAssembly.
command -v node > /dev/null || { echo "node is not installed"; exit 77; }
cat > main.js << 'END'
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const { execFileSync, spawnSync, fork } = require('child_process');
const fs = require('fs'), net = require('net'), crypto = require('crypto'), zlib = require('zlib');
if (process.argv[2] === 'child') { process.on('message', m => { process.send(m * 2); process.disconnect(); }); return; }
if (!isMainThread) {
  const view = new Int32Array(workerData);
  for (let i = 0; i < 10000; ++i) Atomics.add(view, 0, 1);
  parentPort.postMessage('done');
  return;
}
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
console.log(fib(27));
let kept = [];
for (let i = 0; i < 300; ++i) { kept.push(new Array(1000).fill(i)); if (kept.length > 50) kept = kept.slice(25); }
console.log(kept.length, Buffer.alloc(50e6, 'x').length);
console.log(crypto.createHash('sha256').update('x'.repeat(1e6)).digest('hex'));
console.log(zlib.gunzipSync(zlib.gzipSync(Buffer.from('y'.repeat(1e5)))).length);
fs.writeFileSync('file', 'text'); console.log(fs.readFileSync('file', 'utf8'), fs.existsSync('none'));
console.log(execFileSync('echo', ['child']).toString().trim(), spawnSync('sh', ['-c', 'exit 6']).status);
const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
console.log(new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports.add(40, 2));
const memory = new WebAssembly.Memory({ initial: 1, maximum: 1000 }); memory.grow(500); console.log(memory.buffer.byteLength);
(async () => {
  const shared = new SharedArrayBuffer(4);
  await Promise.all([1, 2, 3].map(() => new Promise(r => new Worker(__filename, { workerData: shared }).on('message', r))));
  console.log(new Int32Array(shared)[0]);
  console.log(await new Promise(r => { const c = fork(__filename, ['child']); c.on('message', r); c.send(21); }));
  await new Promise(r => { const s = net.createServer(c => c.end('socket')).listen(0, () => net.connect(s.address().port).on('data', d => { console.log(d.toString()); s.close(r); })); });
  console.log(await fs.promises.readFile('file', 'utf8'));
  process.exitCode = 4;
})();
END
node main.js; echo "node said $?"
node -e 'throw new Error("x")' 2> /dev/null; echo "node said $?"
node -e 'process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 5000)'; echo "node said $?"
echo 'console.log(1 + 1)' | node
node --max-old-space-size=64 -e 'let a = []; for (let i = 0; i < 1e5; ++i) a.push({ i }); console.log(a.length)'
