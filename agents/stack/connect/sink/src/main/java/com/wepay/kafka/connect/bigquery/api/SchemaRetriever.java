package com.wepay.kafka.connect.bigquery.api;

import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.sink.SinkRecord;

/** Stands in for a type of kcbq-api, which was never published and which the connector's classes name. */
public interface SchemaRetriever {
  void configure(Map<String, String> properties);

  Schema retrieveKeySchema(SinkRecord record);

  Schema retrieveValueSchema(SinkRecord record);
}
