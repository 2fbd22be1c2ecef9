package gaelp.journeys.peers;

import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.BytesDeserializer;
import org.apache.kafka.common.serialization.BytesSerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The work as a Kafka Streams application: Processor API, two stores with changelogs, a punctuator by stream time.
 *
 * <p>Takes where the stores live, `rocksdb` or `memory`; both are durable by their changelogs.
 */
public final class KafkaStreamsPeer {
    private static final int THREADS = 2;
    private static final long CACHE_BYTES = 128L << 20;

    private KafkaStreamsPeer() {}

    /** Works until it is ended. */
    public static void main(String[] arguments) throws Exception {
        Assignment assignment = Assignment.fromEnvironment();
        Progress progress = new Progress();
        Topology topology = topology(assignment, progress, arguments[0]);
        KafkaStreams streams = new KafkaStreams(topology, properties(assignment));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1); // no figures for half of the work
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        progress.awaitAndReport(assignment.touchpoints(), assignment.progressFile());
    }

    private static Topology topology(Assignment assignment, Progress progress, String place) {
        return new Topology()
                .addSource("touchpoints", new BytesDeserializer(), new TouchpointDeserializer(), assignment.input())
                .addProcessor(
                        "journeys", () -> new JourneyProcessor(progress, assignment.schemaId()), "touchpoints")
                .addStateStore(store(place, JourneyProcessor.JOURNEYS, new JourneySerde()), "journeys")
                .addStateStore(store(place, JourneyProcessor.DEADLINES, Serdes.ByteArray()), "journeys")
                .addSink(
                        "abandonments",
                        assignment.output(),
                        new BytesSerializer(),
                        new ByteArraySerializer(),
                        "journeys");
    }

    private static <V> StoreBuilder<?> store(String place, String name, Serde<V> serde) {
        KeyValueBytesStoreSupplier supplier = switch (place) {
            case "rocksdb" -> Stores.persistentKeyValueStore(name);
            case "memory" -> Stores.inMemoryKeyValueStore(name);
            default -> throw new IllegalArgumentException("stores: " + place + " is neither rocksdb nor memory");
        };
        // The cache holds back all but the last change of a key within a commit interval.
        return Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), serde)
                .withLoggingEnabled(Map.of("cleanup.policy", "compact"))
                .withCachingEnabled();
    }

    private static Properties properties(Assignment assignment) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, "kafka-streams-peer");
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, assignment.bootstrapServers());
        properties.put(StreamsConfig.STATE_DIR_CONFIG, assignment.stateFolder().toString());
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        properties.put(StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, EventTime.class);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, assignment.durableEveryMs());
        properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        // One input topic: there is nothing to wait for.
        properties.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, StreamsConfig.MAX_TASK_IDLE_MS_DISABLED);
        // Nobody looks at metrics: they need not be shown over JMX.
        properties.put(StreamsConfig.METRIC_REPORTER_CLASSES_CONFIG, "");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        return properties;
    }
}
