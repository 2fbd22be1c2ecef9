package gaelp.journeys.peers;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Touchpoints out of the input topic; Flink sends a copy to each of its subtasks. */
final class TouchpointSource implements KafkaRecordDeserializationSchema<Touchpoint> {
    private static final long serialVersionUID = 1L;

    private transient TouchpointDecoder decoder;

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        decoder = new TouchpointDecoder();
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Touchpoint> out) {
        Touchpoint touchpoint = decoder.decode(record.value());
        touchpoint.journeyId = new String(record.key(), StandardCharsets.UTF_8);
        out.collect(touchpoint);
    }

    @Override
    public TypeInformation<Touchpoint> getProducedType() {
        return TypeInformation.of(Touchpoint.class);
    }
}
