package gaelp.journeys.peers;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Which journeys may be due when: a durable index of deadlines, one row for each span of event time.
 *
 * <p>A row holds the ids of a span, each behind its length. Rows are read with point look-ups only: a range scan over
 * keys in order of their deadlines goes through the tombstones of all that was due before. Entries are lazy: a journey
 * has one, which is looked at again when it comes up.
 */
final class DeadlineBuckets {
    private static final Bytes NEXT = Bytes.wrap(new byte[] {'n'});

    private final KeyValueStore<Bytes, byte[]> rows;
    private final long spanMs;
    /** Number of the first span that is not drained; negative until it is known. */
    private long next = -1;

    DeadlineBuckets(KeyValueStore<Bytes, byte[]> rows, long spanMs) {
        this.rows = rows;
        this.spanMs = spanMs;
    }

    /** Has a journey come up at the end of the span that holds its deadline. */
    void add(long deadlineAt, Bytes journeyId) {
        Bytes row = row(deadlineAt / spanMs + 1);
        byte[] id = journeyId.get();
        byte[] before = rows.get(row);
        int length = before == null ? 0 : before.length;
        byte[] ids = before == null ? new byte[id.length + Short.BYTES] : Arrays.copyOf(before, length + id.length + 2);
        ByteBuffer.wrap(ids, length, id.length + Short.BYTES).putShort((short) id.length).put(id);
        rows.put(row, ids);
    }

    /** Takes out all that comes up until an instant (ms). */
    List<Bytes> takeUntil(long now) {
        long last = now / spanMs;
        if (next < 0) {
            byte[] stored = rows.get(NEXT);
            next = stored == null ? last : ByteBuffer.wrap(stored).getLong();
        }
        List<Bytes> due = new ArrayList<>();
        if (next > last) {
            return due;
        }
        for (; next <= last; next++) {
            Bytes row = row(next);
            byte[] ids = rows.get(row);
            if (ids != null) {
                rows.delete(row);
                read(ids, due);
            }
        }
        rows.put(NEXT, ByteBuffer.allocate(Long.BYTES).putLong(next).array());
        return due;
    }

    private static void read(byte[] ids, List<Bytes> due) {
        ByteBuffer buffer = ByteBuffer.wrap(ids);
        while (buffer.hasRemaining()) {
            byte[] id = new byte[buffer.getShort()];
            buffer.get(id);
            due.add(Bytes.wrap(id));
        }
    }

    private static Bytes row(long number) {
        return Bytes.wrap(ByteBuffer.allocate(Long.BYTES).putLong(number).array());
    }
}
