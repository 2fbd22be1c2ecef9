package gaelp.journeys.peers;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * The work as a Flink job on a local mini-cluster: DataStream, event-time timers, checkpoints to disk.
 *
 * <p>Takes the state backend, `hashmap` (the heap) or `rocksdb`.
 */
public final class FlinkPeer {
    private static final int PARALLELISM = 2;

    private FlinkPeer() {}

    /** Works until it is ended. */
    public static void main(String[] arguments) throws Exception {
        Assignment assignment = Assignment.fromEnvironment();
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(
                PARALLELISM, configuration(assignment, arguments[0]));
        environment
                .fromSource(source(assignment), watermarks(), "touchpoints")
                .keyBy(touchpoint -> touchpoint.journeyId, Types.STRING)
                .process(new JourneyFunction(assignment.schemaId()), TypeInformation.of(Abandonment.class))
                .sinkTo(sink(assignment));
        environment.executeAsync("journeys").getJobExecutionResult().exceptionally(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1); // no figures for half of the work
            return null;
        });
        JourneyFunction.PROGRESS.awaitAndReport(assignment.touchpoints(), assignment.progressFile());
    }

    private static WatermarkStrategy<Touchpoint> watermarks() {
        // Not aligned: partitions are alike, and waiting for each other costs them time.
        return WatermarkStrategy.<Touchpoint>forMonotonousTimestamps()
                .withTimestampAssigner((touchpoint, written) -> touchpoint.occurredAt);
    }

    private static KafkaSource<Touchpoint> source(Assignment assignment) {
        return KafkaSource.<Touchpoint>builder()
                .setBootstrapServers(assignment.bootstrapServers())
                .setTopics(assignment.input())
                .setGroupId("flink-peer")
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setProperty("max.poll.records", "5000")
                .setProperty("max.partition.fetch.bytes", Integer.toString(4 << 20))
                .setDeserializer(new TouchpointSource())
                .build();
    }

    private static KafkaSink<Abandonment> sink(Assignment assignment) {
        return KafkaSink.<Abandonment>builder()
                .setBootstrapServers(assignment.bootstrapServers())
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setProperty("linger.ms", "50")
                .setProperty("batch.size", Integer.toString(256 << 10))
                .setProperty("compression.type", "lz4")
                .setRecordSerializer(new AbandonmentRecords(assignment.output()))
                .build();
    }

    private static Configuration configuration(Assignment assignment, String backend) {
        Configuration configuration = new Configuration();
        configuration.setString("state.backend.type", backend);
        configuration.setString("execution.checkpointing.interval", assignment.durableEveryMs() + " ms");
        configuration.setString("execution.checkpointing.dir", assignment.stateFolder().toUri().toString());
        configuration.setString("execution.checkpointing.incremental", Boolean.toString(backend.equals("rocksdb")));
        // Timers on the heap, journeys in RocksDB: one timer each is small beside what RocksDB is there for.
        configuration.setString("state.backend.rocksdb.timer-service.factory", "HEAP");
        configuration.setString("restart-strategy.type", "none"); // no figures for work that was done twice
        configuration.setString("pipeline.object-reuse", "true");
        configuration.setString("pipeline.generic-types", "false"); // every type has a serializer of its own
        configuration.setString("pipeline.auto-watermark-interval", "200 ms");
        configuration.setString("taskmanager.numberOfTaskSlots", Integer.toString(PARALLELISM));
        configuration.setString("taskmanager.memory.managed.size", "256m");
        configuration.setString("taskmanager.memory.network.min", "64m");
        configuration.setString("taskmanager.memory.network.max", "64m");
        configuration.setString("rest.address", "127.0.0.1");
        configuration.setString("rest.bind-address", "127.0.0.1");
        configuration.setString("rest.port", "0");
        return configuration;
    }
}
