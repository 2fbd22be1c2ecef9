package gaelp.journeys.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.atomic.LongAdder;

/** Counts touchpoints as they are processed and tells whoever measures from outside when that began and ended. */
public final class Progress {
    private static final long POLL_MS = 2;

    private final LongAdder processed = new LongAdder();
    private volatile long beginsAt;

    /** One more is processed; any thread. */
    public void add() {
        if (beginsAt == 0) {
            beginsAt = System.currentTimeMillis();
        }
        processed.increment();
    }

    /** Waits until as many are processed as are wanted, and writes begin and end (epoch ms) to a file. */
    public void awaitAndReport(long wanted, Path file) throws InterruptedException, IOException {
        while (processed.sum() < wanted) {
            Thread.sleep(POLL_MS);
        }
        long endsAt = System.currentTimeMillis();
        String report = String.format(
                "{\"begins_at_ms\": %d, \"ends_at_ms\": %d, \"processed\": %d}%n", beginsAt, endsAt, processed.sum());
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Files.writeString(part, report);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE); // whoever sees the file sees all of it
    }
}
