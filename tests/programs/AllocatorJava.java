// SPDX-License-Identifier: Apache-2.0
// A JVM's native memory, in blocks of one size. What it says is told in allocator_family.c.
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

class AllocatorJava {
  static final int SIZE = 12360;

  static void waitForLine() throws Exception {
    for (int c = System.in.read(); c != -1 && c != '\n'; c = System.in.read()) {
    }
  }

  public static void main(String[] arguments) throws Exception {
    var field = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
    field.setAccessible(true);
    var unsafe = (sun.misc.Unsafe) field.get(null);
    List<ByteBuffer> buffers = new ArrayList<>();
    System.out.println("ready " + ProcessHandle.current().pid());
    waitForLine();
    int kept = 0;
    for (int i = 0; i < 300; i++) {
      long block = unsafe.allocateMemory(SIZE);
      if (i % 3 == 0)
        kept++;
      else
        unsafe.freeMemory(block);
      if (i % 2 == 0) {
        buffers.add(ByteBuffer.allocateDirect(SIZE));
        kept++;
      }
    }
    System.out.println("heap " + (long) kept * SIZE + " " + kept);
    System.out.println("done");
    waitForLine();
    System.out.println(buffers.size()); // they live so long
  }
}
