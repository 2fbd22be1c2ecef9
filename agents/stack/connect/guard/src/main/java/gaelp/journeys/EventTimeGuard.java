package gaelp.journeys;

import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Refuses records whose event time no partition of BigQuery may have, before the connector sends them: one such row would
 * fail the request that it stands in, and with it the task. With errors.tolerance=all a refused record goes to the
 * dead-letter topic, the reason in its headers; the rest flows. Records pass unchanged.
 */
public final class EventTimeGuard<R extends ConnectRecord<R>> implements Transformation<R> {
  /** Clocks that were never set; the contracts know no time before. */
  private static final Instant EARLIEST = Instant.parse("1990-01-01T00:00:00Z");

  private static final ConfigDef CONFIG =
      new ConfigDef()
          .define(
              "columns",
              ConfigDef.Type.LIST,
              ConfigDef.Importance.HIGH,
              "The field that a topic's table is partitioned by, as topic:field, for each topic.")
          .define(
              "days.back",
              ConfigDef.Type.INT,
              ConfigDef.NO_DEFAULT_VALUE,
              ConfigDef.Range.atLeast(1),
              ConfigDef.Importance.HIGH,
              "How many days back BigQuery takes rows: 3650 by the Storage Write API, 1825 by insertAll.")
          .define(
              "days.ahead",
              ConfigDef.Type.INT,
              ConfigDef.NO_DEFAULT_VALUE,
              ConfigDef.Range.atLeast(1),
              ConfigDef.Importance.HIGH,
              "How many days ahead BigQuery takes rows.");

  private final Map<String, String> columns = new HashMap<>();
  private Duration back;
  private Duration ahead;

  @Override
  public void configure(Map<String, ?> given) {
    AbstractConfig config = new AbstractConfig(CONFIG, given);
    List<String> named = config.getList("columns");
    for (String column : named) {
      String[] parts = column.split(":");
      if (parts.length != 2) {
        throw new ConfigException("columns", named, column + " is not topic:field");
      }
      columns.put(parts[0], parts[1]);
    }
    back = Duration.ofDays(config.getInt("days.back"));
    ahead = Duration.ofDays(config.getInt("days.ahead"));
  }

  @Override
  public R apply(R record) {
    String field = columns.get(record.topic());
    if (field != null && record.value() instanceof Struct row) {
      // Connect's own logical type, or the number that it stands for: converters differ.
      Object value = row.get(field);
      Instant at = value instanceof Date date ? date.toInstant() : Instant.ofEpochMilli((Long) value);
      Instant now = Instant.now();
      if (at.isBefore(EARLIEST) || at.isBefore(now.minus(back)) || !at.isBefore(now.plus(ahead))) {
        throw new DataException(
            field + ": " + at.toEpochMilli() + " is not allowed; expected an instant (ms) of the last " + back.toDays()
                + " days, not before 1990 and at most " + ahead.toDays() + " days ahead; older history is loaded, not"
                + " streamed: journeys export, then journeys bigquery load");
      }
    }
    return record;
  }

  @Override
  public ConfigDef config() {
    return CONFIG;
  }

  @Override
  public void close() {}
}
