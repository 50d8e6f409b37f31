# The interpreter at work: imports, big data, exceptions, recursion, garbage collection, files.
command -v python3 > /dev/null || { echo "python3 is not installed"; exit 77; }
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
cat > main.py << 'END'
import collections, ctypes, decimal, gc, hashlib, json, os, re, signal, struct, sys, tempfile, zlib
print(sys.version_info[:2])
print(json.dumps({"a": [1, 2.5, None, True], "b": {"c": "d"}}, sort_keys=True))
print(re.findall(r"(\w)(\d+)", "a1 b22 c333"))
print(hashlib.sha256(b"x" * 1000000).hexdigest())
print(zlib.crc32(bytes(range(256)) * 1000), len(zlib.compress(b"abc" * 100000)))
print(2 ** 2000 % 1000007, sum(range(1000000)), decimal.Decimal(1) / 7)
data = {i: str(i) for i in range(200000)}
print(len(data), data[199999])
del data
class Node: pass
for i in range(20000):
    a, b = Node(), Node()
    a.other, b.other = b, a
print(gc.collect() >= 0)
def down(n): return 1 + down(n - 1) if n else 0
print(down(900))
try: down(10 ** 6)
except RecursionError as e: print(type(e).__name__)
try: bytearray(1 << 60)
except MemoryError as e: print(type(e).__name__)
try: open("/no/such/file")
except OSError as e: print(e.errno)
with tempfile.TemporaryFile() as f:
    f.write(b"y" * 5000000); f.seek(0); print(len(f.read()))
libc = ctypes.CDLL(None)
print(libc.strlen(b"ctypes"), libc.abs(-5))
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(lambda a, b: a[0] - b[0])
array = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
libc.qsort(array, 5, 4, callback)
print(list(array))
signal.signal(signal.SIGUSR1, lambda *a: print("signal"))
os.kill(os.getpid(), signal.SIGUSR1)
print(collections.Counter("mississippi").most_common(2), struct.pack("<IH", 1, 2))
sys.stdout.flush()
os.write(2, b"on the error stream\n")
sys.exit(5)
END
python3 main.py; echo "python3 said $?"
