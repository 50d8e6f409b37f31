# Subprocesses, and multiprocessing by fork and by spawn with queues, pools, shared memory and locks.
command -v python3 > /dev/null || { echo "python3 is not installed"; exit 77; }
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
cat > main.py << 'END'
import multiprocessing, os, signal, subprocess, sys, threading
from multiprocessing import shared_memory
def square(n): return n * n
def fill(name, start):
    block = shared_memory.SharedMemory(name)
    for i in range(start, start + 1000): block.buf[i] = i % 251
    block.close()
def count(value, lock):
    for _ in range(500):
        with lock: value.value += 1
def talk(connection):
    connection.send([connection.recv(), "answered"]); connection.close()
def fail(): sys.exit(7)
def with_context(name):
    context = multiprocessing.get_context(name)
    with context.Pool(3) as pool: print(name, sum(pool.map(square, range(500))))
    value, lock = context.Value("i", 0), context.Lock()
    workers = [context.Process(target=count, args=(value, lock)) for _ in range(4)]
    [w.start() for w in workers]; [w.join() for w in workers]
    print(name, value.value, [w.exitcode for w in workers])
    block = shared_memory.SharedMemory(create=True, size=5000)
    workers = [context.Process(target=fill, args=(block.name, i * 1000)) for i in range(5)]
    [w.start() for w in workers]; [w.join() for w in workers]
    print(name, bytes(block.buf[:5000]) == bytes(i % 251 for i in range(5000)))
    block.close(); block.unlink()
    mine, theirs = context.Pipe()
    worker = context.Process(target=talk, args=(theirs,)); worker.start()
    mine.send("asked"); print(name, mine.recv()); worker.join()
    worker = context.Process(target=fail); worker.start(); worker.join(); print(name, worker.exitcode)
    worker = context.Process(target=signal.pause); worker.start(); worker.terminate(); worker.join(); print(name, worker.exitcode)
if __name__ == "__main__":
    print(subprocess.run(["cat"], input=b"x" * 300000, capture_output=True).stdout.count(b"x"))
    print(subprocess.run("echo shell; exit 3", shell=True, stdout=subprocess.PIPE).returncode)
    print(subprocess.run([sys.executable, "-c", "import sys; sys.exit(len(sys.stdin.read()))"], input="12345", text=True).returncode)
    try: subprocess.run(["sleep", "10"], timeout=0.2)
    except subprocess.TimeoutExpired: print("timed out")
    try: subprocess.Popen(["/no/such/program"])
    except FileNotFoundError: print("not found")
    print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
    first = subprocess.Popen(["seq", "50000"], stdout=subprocess.PIPE)
    print(subprocess.run(["tail", "-1"], stdin=first.stdout, capture_output=True).stdout)
    first.stdout.close(); first.wait()
    print(subprocess.run(["pwd"], cwd="/", capture_output=True, preexec_fn=os.setsid, env={"A": "b"}).stdout)
    threads = [threading.Thread(target=lambda: subprocess.run(["true"])) for _ in range(20)]
    [t.start() for t in threads]; [t.join() for t in threads]
    pid = os.fork()
    if pid == 0: os._exit(9)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    sys.stdout.flush()
    with_context("fork"); sys.stdout.flush()
    with_context("spawn"); sys.stdout.flush()
END
python3 main.py; echo "python3 said $?"
