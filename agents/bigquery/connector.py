"""Configuration of the sink connector of the local stack."""

from __future__ import annotations

import re
from typing import Any, Final

from journeys.agents.bigquery.client import Warehouse
from journeys.analytics.table import tables

NAME: Final = "journeys-bigquery"
DEAD_LETTERS: Final = "journeys-bigquery.dead-letter"
"""Topic of records that the connector could not write."""


def connector(warehouse: Warehouse, registry_url: str, *, name: str = NAME, topic_prefix: str = "") -> dict[str, Any]:
    """Name and configuration of the connector from Maven Central; `name` is also part of its consumer group's name.

    Tables are named by their topics, so a prefix of the topics is taken off first, and put before the connector's name.
    Production uses Aiven's connector, with the same topics and tables: deploy/connect/.
    """
    unprefixed = {
        "transforms": "prefix,eventTime",
        "transforms.prefix.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.prefix.regex": f"{re.escape(topic_prefix)}(.*)",
        "transforms.prefix.replacement": "$1",
    }
    return {
        "name": topic_prefix + name,
        "config": {
            "connector.class": "com.wepay.kafka.connect.bigquery.BigQuerySinkConnector",
            "tasks.max": "2",
            "topics": ",".join(topic_prefix + table.topic for table in tables()),
            "project": warehouse.project,
            "defaultDataset": warehouse.dataset,
            # `journeys bigquery apply` creates the tables; the connector infers and changes nothing.
            "autoCreateTables": "false",
            "allowNewBigQueryFields": "false",
            "allowBigQueryRequiredFieldRelaxation": "false",
            "sanitizeTopics": "true",
            "bigQueryPartitionDecorator": "false",
            "consumer.override.auto.offset.reset": "earliest",
            "consumer.override.max.poll.records": "2000",
            # The partitions of a killed worker wait for another one for this time.
            "consumer.override.session.timeout.ms": "6000",
            "consumer.override.heartbeat.interval.ms": "1500",
            "transforms": "eventTime",
            "transforms.eventTime.type": "gaelp.journeys.EventTimeGuard",
            "transforms.eventTime.columns": ",".join(f"{table.topic}:{table.partition_by}" for table in tables()),
            # The limit of the Storage Write API, which production uses, less a day for rows in flight at midnight.
            # This connector writes with insertAll, for which BigQuery's limit is 1,825 days; the emulator has none.
            "transforms.eventTime.days.back": "3649",
            "transforms.eventTime.days.ahead": "365",
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": topic_prefix + DEAD_LETTERS,
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
            "errors.log.enable": "true",
            "value.converter": "io.apicurio.registry.utils.converter.AvroConverter",
            "value.converter.apicurio.registry.url": registry_url,
            "value.converter.apicurio.registry.id-handler": "io.apicurio.registry.serde.Legacy4ByteIdHandler",
            "value.converter.apicurio.registry.use-id": "contentId",
        }
        | (unprefixed if topic_prefix else {}),
    }
