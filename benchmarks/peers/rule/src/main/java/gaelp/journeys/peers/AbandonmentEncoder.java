package gaelp.journeys.peers;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.bouncycastle.crypto.digests.Blake2bDigest;

/**
 * Writes abandonments in Confluent's wire format, field by field in the order of schemas/avro/journey_abandoned.avsc.
 * For one thread.
 */
public final class AbandonmentEncoder {
    private static final int ID_BITS = 128;
    private static final int USUAL_BYTES = 320;
    private static final int ABSENT = 0;
    private static final int PRESENT = 1;
    /** Fields behind `truncated`, all optional: what the peers do not keep, and provenance. */
    private static final int ABSENT_AT_THE_END = 9;

    private final byte[] header;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(USUAL_BYTES);
    private final Blake2bDigest digest = new Blake2bDigest(ID_BITS);
    private final byte[] hash = new byte[ID_BITS / 8];
    private BinaryEncoder encoder;

    /** Takes the id under which the schema is known on the wire. */
    public AbandonmentEncoder(int schemaId) {
        header = ByteBuffer.allocate(5).put((byte) 0).putInt(schemaId).array();
    }

    /** Wire bytes of the abandonment of a journey (id in UTF-8) at its deadline, detected at an instant (ms). */
    public byte[] encode(byte[] journeyId, Journey journey, long detectedAt) {
        bytes.reset();
        bytes.writeBytes(header);
        encoder = EncoderFactory.get().binaryEncoder(bytes, encoder);
        try {
            write(journeyId, journey, detectedAt);
            encoder.flush();
        } catch (IOException error) {
            throw new UncheckedIOException(error); // there is no I/O in it
        }
        return bytes.toByteArray();
    }

    private void write(byte[] journeyId, Journey journey, long detectedAt) throws IOException {
        State state = State.ALL[journey.state];
        double probability = Double.isNaN(journey.conversionProbability)
                ? state.defaultConversionProbability
                : journey.conversionProbability;
        long value = journey.conversionValueMicros < 0
                ? Penalty.DEFAULT_CONVERSION_VALUE_MICROS
                : journey.conversionValueMicros;
        long penalty = Penalty.amountMicros(journey);
        long opportunity = Penalty.opportunityCostMicros(probability, value);

        encoder.writeString(abandonmentId(journeyId, journey.startedAt));
        encoder.writeBytes(journeyId); // a string on the wire is its bytes in UTF-8
        writeOptional(journey.userId);
        encoder.writeString(journey.reason().name());
        encoder.writeString(state.name());
        encoder.writeLong(journey.startedAt);
        encoder.writeIndex(PRESENT);
        encoder.writeLong(journey.lastActivityAt); // last_touchpoint_at
        encoder.writeLong(journey.deadlineAt()); // abandoned_at
        encoder.writeLong(detectedAt);
        encoder.writeLong(journey.daysActive());
        encoder.writeLong(journey.touchpointCount);
        encoder.writeLong(journey.totalCostMicros);
        encoder.writeDouble(probability);
        encoder.writeLong(value);
        encoder.writeLong(penalty);
        encoder.writeLong(opportunity);
        encoder.writeLong(penalty + opportunity);
        encoder.writeDouble(state.weight.doubleValue());
        encoder.writeDouble(Penalty.timeFactor(journey.daysActive()));
        encoder.writeDouble(journey.reason().multiplier.doubleValue());
        encoder.writeInt(1); // formula_version
        encoder.writeString("default-1"); // policy_version
        encoder.writeBoolean(false); // terminated
        encoder.writeBoolean(true); // truncated
        for (int field = 0; field < ABSENT_AT_THE_END; field++) {
            encoder.writeIndex(ABSENT);
        }
    }

    private String abandonmentId(byte[] journeyId, long startedAt) {
        digest.update(journeyId, 0, journeyId.length);
        digest.update((byte) 0);
        for (int shift = Long.SIZE - Byte.SIZE; shift >= 0; shift -= Byte.SIZE) {
            digest.update((byte) (startedAt >>> shift));
        }
        digest.doFinal(hash, 0); // and begins anew
        return HexFormat.of().formatHex(hash);
    }

    private void writeOptional(String text) throws IOException {
        if (text == null) {
            encoder.writeIndex(ABSENT);
        } else {
            encoder.writeIndex(PRESENT);
            encoder.writeString(text);
        }
    }
}
