# The Java machine: a heap reserved as a whole and committed in pieces, JIT, garbage collection, threads, guard pages.
command -v javac > /dev/null || { echo "no Java development kit is installed"; exit 77; }
set -eu
cat > Main.java << 'END'
import java.nio.*; import java.nio.channels.*; import java.nio.file.*; import java.util.*; import java.util.concurrent.*;
public class Main {
  static int depth(int n) { return depth(n + 1) + 1; }
  public static void main(String[] a) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(8);
    List<Future<Integer>> all = new ArrayList<>();
    for (int i = 0; i < 8; i++) all.add(pool.submit(() -> { Map<Integer, String> m = new HashMap<>(); for (int j = 0; j < 60000; j++) m.put(j, "" + j); return m.size(); }));
    int sum = 0; for (Future<Integer> f : all) sum += f.get();
    pool.shutdown();
    System.out.println("threads " + sum);
    byte[][] kept = new byte[64][]; for (int i = 0; i < 4000; i++) kept[i % 64] = new byte[100000];
    System.gc(); System.out.println("kept " + kept.length);
    try { depth(0); } catch (StackOverflowError e) { System.out.println("stack overflow caught"); }
    try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null pointer caught"); }
    Path p = Path.of("file"); Files.write(p, new byte[100000]);
    try (FileChannel c = FileChannel.open(p, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MappedByteBuffer m = c.map(FileChannel.MapMode.READ_WRITE, 0, 100000);
      for (int i = 0; i < 100000; i++) m.put(i, (byte) i); m.force();
    }
    System.out.println("file " + Arrays.hashCode(Files.readAllBytes(p)));
    System.out.println(new String(new ProcessBuilder("echo", "child").start().getInputStream().readAllBytes()).trim());
    try { List<byte[]> hog = new ArrayList<>(); while (true) hog.add(new byte[1 << 22]); } catch (OutOfMemoryError e) { System.out.println("out of memory caught"); }
  }
}
END
javac Main.java
for collector in -XX:+UseSerialGC -XX:+UseG1GC -XX:+UseZGC; do echo "$collector"; java $collector -Xmx128m Main; done
