package gaelp.journeys.peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.util.Utf8;

/**
 * Reads touchpoints in Confluent's wire format, field by field in the order of schemas/avro/touchpoint.avsc.
 *
 * <p>A reader driven by the schema makes an object for each field; this one leaves out what the rule does not look at,
 * and what stands behind it. The journey's id is the record's key, so it is not read a second time. For one thread.
 */
public final class TouchpointDecoder {
    private static final int HEADER_BYTES = 5;
    private static final int PRESENT = 1;

    private final Utf8 text = new Utf8();
    private BinaryDecoder decoder;

    /** A new touchpoint without its journey's id. */
    public Touchpoint decode(byte[] value) {
        decoder = DecoderFactory.get().binaryDecoder(value, HEADER_BYTES, value.length - HEADER_BYTES, decoder);
        Touchpoint touchpoint = new Touchpoint();
        try {
            decoder.skipString(); // journey_id
            touchpoint.userId = present() ? decoder.readString() : null;
            decoder.skipString(); // touchpoint_id
            touchpoint.occurredAt = decoder.readLong();
            skipOptionalString(); // channel
            skipOptionalString(); // event_type
            touchpoint.state = present() ? State.ordinalOf(decoder.readString(text)) : State.ABSENT;
            touchpoint.costMicros = decoder.readLong();
            touchpoint.conversionProbability = present() ? decoder.readDouble() : Double.NaN;
            touchpoint.conversionValueMicros = present() ? decoder.readLong() : -1;
        } catch (IOException error) {
            throw new UncheckedIOException("a touchpoint that is not Avro of its schema", error);
        }
        return touchpoint;
    }

    private boolean present() throws IOException {
        return decoder.readIndex() == PRESENT;
    }

    private void skipOptionalString() throws IOException {
        if (present()) {
            decoder.skipString();
        }
    }
}
