package com.wepay.kafka.connect.bigquery.api;

/** Stands in for a type of kcbq-api, which was never published and which the connector's classes name. */
public enum KafkaSchemaRecordType {
  KEY,
  VALUE
}
