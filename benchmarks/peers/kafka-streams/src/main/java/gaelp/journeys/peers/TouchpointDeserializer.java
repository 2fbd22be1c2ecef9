package gaelp.journeys.peers;

import org.apache.kafka.common.serialization.Deserializer;

/** Touchpoints out of the input topic. All threads of Kafka Streams share one, so each gets a decoder of its own. */
final class TouchpointDeserializer implements Deserializer<Touchpoint> {
    private final ThreadLocal<TouchpointDecoder> decoder = ThreadLocal.withInitial(TouchpointDecoder::new);

    @Override
    public Touchpoint deserialize(String topic, byte[] value) {
        return decoder.get().decode(value);
    }
}
