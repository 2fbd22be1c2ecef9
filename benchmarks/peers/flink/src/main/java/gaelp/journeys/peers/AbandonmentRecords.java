package gaelp.journeys.peers;

import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Abandonments as records of the output topic. */
final class AbandonmentRecords implements KafkaRecordSerializationSchema<Abandonment> {
    private static final long serialVersionUID = 1L;

    private final String topic;

    AbandonmentRecords(String topic) {
        this.topic = topic;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(Abandonment abandonment, KafkaSinkContext context, Long timestamp) {
        return new ProducerRecord<>(topic, abandonment.key, abandonment.value);
    }
}
