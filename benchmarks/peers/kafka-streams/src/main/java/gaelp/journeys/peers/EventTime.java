package gaelp.journeys.peers;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.processor.TimestampExtractor;

/** The time of a touchpoint is when it occurred; the input topic's own timestamps are those of its writing. */
public final class EventTime implements TimestampExtractor {
    @Override
    public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
        return ((Touchpoint) record.value()).occurredAt;
    }
}
