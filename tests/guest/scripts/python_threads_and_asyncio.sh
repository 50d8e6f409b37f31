# Threads with locks and queues, thread pools, asyncio with subprocesses, timers and sockets.
command -v python3 > /dev/null || { echo "python3 is not installed"; exit 77; }
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
cat > main.py << 'END'
import asyncio, concurrent.futures, queue, sys, threading, time
total, lock = 0, threading.Lock()
def add(n):
    global total
    for _ in range(n):
        with lock: total += 1
threads = [threading.Thread(target=add, args=(5000,)) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(total)
work, done = queue.Queue(), queue.Queue()
def worker():
    while (item := work.get()) is not None: done.put(item * item)
pool = [threading.Thread(target=worker) for _ in range(4)]
[t.start() for t in pool]
for i in range(1000): work.put(i)
for _ in pool: work.put(None)
[t.join() for t in pool]
print(sum(done.queue))
with concurrent.futures.ThreadPoolExecutor(6) as executor:
    print(sum(executor.map(lambda n: len(bytes(n * 1000)), range(300))))
for _ in range(200):
    t = threading.Thread(target=lambda: None); t.start(); t.join()
local = threading.local()
local.x = 1
def other(): print(hasattr(local, "x"))
t = threading.Thread(target=other); t.start(); t.join()
async def echo(reader, writer):
    writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()
async def client(port, text):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text); line = await reader.readline(); writer.close(); return line
async def main():
    await asyncio.sleep(0.01)
    print(await asyncio.gather(*(asyncio.to_thread(lambda i=i: i * 2) for i in range(5))))
    process = await asyncio.create_subprocess_exec("sh", "-c", "cat; exit 3", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate(b"through a child" * 1000)
    print(len(out), process.returncode)
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(sorted(await asyncio.gather(*(client(port, b"line %d\n" % i) for i in range(20))))[:3])
    try: await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError: print("timed out")
    server.close()
asyncio.run(main())
END
python3 main.py; echo "python3 said $?"
