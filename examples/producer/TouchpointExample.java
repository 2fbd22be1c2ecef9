import java.io.ByteArrayOutputStream;
import java.io.File;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends one touchpoint, straight from its .avsc: SERVERS SCHEMA JOURNEY TOUCHPOINT OCCURRED_AT STATE DOLLARS. */
public class TouchpointExample {
    public static void main(String[] args) throws Exception {
        Schema schema = new Schema.Parser().parse(new File(args[1]));
        GenericRecord touchpoint = new GenericData.Record(schema);
        touchpoint.put("journey_id", args[2]);
        touchpoint.put("touchpoint_id", args[3]);
        touchpoint.put("occurred_at", Instant.parse(args[4]).toEpochMilli());
        touchpoint.put("state", args[5]);
        touchpoint.put("cost_micros", new BigDecimal(args[6]).movePointRight(6).longValueExact());

        Map<String, Object> settings = Map.of(
            "bootstrap.servers", args[0], "enable.idempotence", "true", "acks", "all");
        // No partitioner is set: Java's default takes murmur2 of the key, as the contract wants it.
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            byte[] key = args[2].getBytes(StandardCharsets.UTF_8);
            var sent = producer.send(new ProducerRecord<>("journey-events", key, wire(schema, touchpoint))).get();
            System.out.println(sent.partition() + " " + sent.offset());
        }
    }

    /** Confluent's wire format: byte 0, schema id in 4 bytes, Avro binary. */
    static byte[] wire(Schema schema, GenericRecord record) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(0);
        out.write(ByteBuffer.allocate(4).putInt(fingerprint(schema)).array());
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
        encoder.flush();
        return out.toByteArray();
    }

    /** The id without a registry: 31 bits of SHA-256 over the Parsing Canonical Form. With one, take the id it gives. */
    static int fingerprint(Schema schema) throws Exception {
        byte[] form = SchemaNormalization.toParsingForm(schema).getBytes(StandardCharsets.UTF_8);
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(form);
        return ByteBuffer.wrap(digest).getInt() & 0x7FFFFFFF;
    }
}
