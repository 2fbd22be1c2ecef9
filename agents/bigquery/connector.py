"""What the sink connector of the local stack is told."""

from __future__ import annotations

from typing import Any, Final

from journeys.agents.bigquery.client import Warehouse
from journeys.analytics.table import tables

NAME: Final = "journeys-bigquery"
DEAD_LETTERS: Final = "journeys-bigquery.dead-letter"
"""Topic of rows that the connector could not read."""


def connector(house: Warehouse, registry_url: str, *, name: str = NAME) -> dict[str, Any]:
    """Name and configuration of the connector that Maven Central has; `name` is also that of its consumer group.

    That of production, Aiven's, has the same topics and tables: deploy/connect/.
    """
    return {
        "name": name,
        "config": {
            "connector.class": "com.wepay.kafka.connect.bigquery.BigQuerySinkConnector",
            "tasks.max": "2",
            "topics": ",".join(table.topic for table in tables()),
            "project": house.project,
            "defaultDataset": house.dataset,
            # `journeys bigquery apply` makes the tables: nothing is inferred, nothing changes by itself.
            "autoCreateTables": "false",
            "allowNewBigQueryFields": "false",
            "allowBigQueryRequiredFieldRelaxation": "false",
            "sanitizeTopics": "true",
            "bigQueryPartitionDecorator": "false",
            "consumer.override.auto.offset.reset": "earliest",
            "consumer.override.max.poll.records": "2000",
            # So long the partitions of a killed worker wait for the next one.
            "consumer.override.session.timeout.ms": "6000",
            "consumer.override.heartbeat.interval.ms": "1500",
            "transforms": "eventTime",
            "transforms.eventTime.type": "gaelp.journeys.EventTimeGuard",
            "transforms.eventTime.columns": ",".join(f"{table.topic}:{table.partition_by}" for table in tables()),
            # As in production, by the Storage Write API, less a day for rows that are under way at midnight. The
            # connector here writes by insertAll, of which BigQuery takes 1,825 days; the emulator takes all.
            "transforms.eventTime.days.back": "3649",
            "transforms.eventTime.days.ahead": "365",
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": DEAD_LETTERS,
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
            "errors.log.enable": "true",
            "value.converter": "io.apicurio.registry.utils.converter.AvroConverter",
            "value.converter.apicurio.registry.url": registry_url,
            "value.converter.apicurio.registry.id-handler": "io.apicurio.registry.serde.Legacy4ByteIdHandler",
            "value.converter.apicurio.registry.use-id": "contentId",
        },
    }
