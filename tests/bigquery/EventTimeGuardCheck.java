import gaelp.journeys.EventTimeGuard;
import java.util.Date;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;

/** Puts a record of each argument, topic:field:ms, through the guard, and prints a line of what became of it. */
public final class EventTimeGuardCheck {
  public static void main(String[] records) {
    EventTimeGuard<SinkRecord> guard = new EventTimeGuard<>();
    guard.configure(
        Map.of("columns", System.getProperty("columns"), "days.back", "1825", "days.ahead", "366"));
    for (String given : records) {
      String[] parts = given.split(":");
      long at = Long.parseLong(parts[2]);
      for (Schema kind : new Schema[] {Timestamp.SCHEMA, Schema.INT64_SCHEMA}) {
        Schema schema = SchemaBuilder.struct().field(parts[1], kind).build();
        Object value = kind == Timestamp.SCHEMA ? new Date(at) : (Object) at;
        SinkRecord record =
            new SinkRecord(parts[0], 0, null, null, schema, new Struct(schema).put(parts[1], value), 0);
        try {
          System.out.println(guard.apply(record) == record ? "passed" : "changed");
        } catch (DataException error) {
          System.out.println(error.getMessage());
        }
      }
    }
    SinkRecord tombstone = new SinkRecord("journey-abandonments", 0, null, null, null, null, 0);
    System.out.println(guard.apply(tombstone) == tombstone ? "passed" : "changed");
  }
}
