# Mapped files and anonymous memory through python's mmap: resize, flush, slices, other processes.
command -v python3 > /dev/null || { echo "python3 is not installed"; exit 77; }
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
cat > main.py << 'END'
import mmap, os, sys
with open("file", "wb") as f: f.write(b"".join(bytes([65 + i % 26]) * 4096 for i in range(10)) + b"tail")
f = open("file", "r+b")
m = mmap.mmap(f.fileno(), 0)
print(len(m), m[0:3], m[4096:4099], m[-4:], m.find(b"tail"), m.rfind(b"A"))
m[10:15] = b"hello"; m.flush()
print(open("file", "rb").read()[8:17])
f.seek(20); f.write(b"written"); f.flush(); print(m[18:29])
m.resize(20000); print(len(m), os.path.getsize("file")); m.resize(50000); print(len(m), m[49999])
m.move(0, 4096, 100); print(m[:3])
view = memoryview(m)[100:110]; view[:] = b"0123456789"; print(m[99:111]); view.release()
m.close()
r = mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_READ); print(r[100:110])
try: r[0] = 1
except TypeError: print("read-only")
c = mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_COPY); c[0:4] = b"copy"; print(c[0:4], r[0:4])
o = mmap.mmap(f.fileno(), 4096, offset=8192); print(o[0:3])
try: mmap.mmap(f.fileno(), 4096, offset=100)
except (OSError, ValueError) as e: print(type(e).__name__)
try: mmap.mmap(f.fileno(), 1 << 20, access=mmap.ACCESS_READ)
except ValueError as e: print(e)
a = mmap.mmap(-1, 1 << 20); print(a[:4], len(a))
sys.stdout.flush()
pid = os.fork()
if pid == 0: a[5000:5005] = b"child"; os._exit(0)
os.waitpid(pid, 0); print(a[5000:5005])
p = mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
pid = os.fork()
if pid == 0: p[0:5] = b"child"; os._exit(0)
os.waitpid(pid, 0); print(p[0:5])
a.madvise(mmap.MADV_DONTNEED); print(a[5000:5005])
for i in range(200):
    x = mmap.mmap(-1, 65536); x[i] = 1; x.close()
with open("lines", "w") as g: g.writelines("line %d\n" % i for i in range(20000))
with open("lines", "rb") as g, mmap.mmap(g.fileno(), 0, prot=mmap.PROT_READ) as l:
    print(sum(1 for _ in iter(l.readline, b"")), l.tell())
END
python3 main.py; echo "python3 said $?"
