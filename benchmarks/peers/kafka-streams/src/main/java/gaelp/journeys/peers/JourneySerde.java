package gaelp.journeys.peers;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/** Open journeys as the store keeps them: numbers in a fixed layout, then the user's id. */
final class JourneySerde implements Serde<Journey> {
    private static final int FIXED_BYTES = 6 * Long.BYTES + Byte.BYTES;

    @Override
    public Serializer<Journey> serializer() {
        return (topic, journey) -> journey == null ? null : bytes(journey);
    }

    @Override
    public Deserializer<Journey> deserializer() {
        return (topic, bytes) -> bytes == null ? null : journey(bytes);
    }

    private static byte[] bytes(Journey journey) {
        byte[] userId = journey.userId == null ? new byte[0] : journey.userId.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(FIXED_BYTES + userId.length)
                .putLong(journey.startedAt)
                .putLong(journey.lastActivityAt)
                .putLong(journey.touchpointCount)
                .putLong(journey.totalCostMicros)
                .putDouble(journey.conversionProbability)
                .putLong(journey.conversionValueMicros)
                .put((byte) journey.state)
                .put(userId)
                .array();
    }

    private static Journey journey(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        Journey journey = new Journey();
        journey.startedAt = buffer.getLong();
        journey.lastActivityAt = buffer.getLong();
        journey.touchpointCount = buffer.getLong();
        journey.totalCostMicros = buffer.getLong();
        journey.conversionProbability = buffer.getDouble();
        journey.conversionValueMicros = buffer.getLong();
        journey.state = buffer.get();
        if (buffer.hasRemaining()) {
            journey.userId = new String(bytes, FIXED_BYTES, buffer.remaining(), StandardCharsets.UTF_8);
        }
        return journey;
    }
}
