package gaelp.journeys.peers;

import org.apache.kafka.common.serialization.Deserializer;

/** Touchpoints out of the input topic. Kafka Streams makes one for each of its threads. */
final class TouchpointDeserializer implements Deserializer<Touchpoint> {
    private final TouchpointDecoder decoder = new TouchpointDecoder();

    @Override
    public Touchpoint deserialize(String topic, byte[] value) {
        return decoder.decode(value);
    }
}
