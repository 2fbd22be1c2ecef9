"""Tables are what the contracts say, and become so without a row spoiled."""

import json

import pytest

from journeys.agents.bigquery.client import BigQueryError, Warehouse, client
from journeys.agents.bigquery.deployment import BreakingChangeError, apply, diff
from journeys.analytics.ddl import statements
from journeys.analytics.table import Column, UntranslatableFieldError, columns_of, tables
from journeys.analytics.view import views
from journeys.schemas.catalog import own_schemas

from .rows import abandonment, insert, query

pytestmark = [pytest.mark.broker, pytest.mark.slow]

ABANDONMENTS, LIFECYCLE = tables()


def with_column(*columns: Column):
    """The tables with more columns in the first of them."""
    return ABANDONMENTS._replace(columns=(*ABANDONMENTS.columns, *columns)), LIFECYCLE


def retyped(column: str, **fields):
    """The tables with one column of the first changed."""
    columns = tuple(one._replace(**fields) if one.name == column else one for one in ABANDONMENTS.columns)
    return ABANDONMENTS._replace(columns=columns), LIFECYCLE


def test_every_field_of_the_contracts_has_its_column(bigquery_client, house):
    """Name, type, whether it may be null and what it means, in the order of the contract; partitions and clusters."""
    apply(bigquery_client, house)
    for table in tables():
        there = bigquery_client.get_table(f"{house.path}.{table.name}")
        fields = own_schemas()[table.record]["fields"]
        assert [field.name for field in there.schema] == [field["name"] for field in fields]
        assert [field.mode == "REQUIRED" for field in there.schema] == [
            not isinstance(field["type"], list) for field in fields
        ]
        instants = {field.name for field in there.schema if field.field_type == "TIMESTAMP"}
        assert instants == {field["name"] for field in fields if "timestamp-millis" in json.dumps(field["type"])}
        assert there.time_partitioning.field == table.partition_by
        assert tuple(there.clustering_fields) == table.cluster_by
    assert diff(bigquery_client, house) == []
    assert apply(bigquery_client, house) == []


def test_the_printed_statements_create_the_same(bigquery_client, house):
    """Who deploys by text gets the columns and views that `apply` makes (the emulator keeps no more of a statement)."""
    bigquery_client.create_dataset(house.dataset)
    for statement in statements(house.path):
        bigquery_client.query(statement).result(timeout=60)
    for table in tables():
        there = bigquery_client.get_table(f"{house.path}.{table.name}")
        assert [(field.name, field.mode) for field in there.schema] == [
            (column.name, "REQUIRED" if column.is_required else "NULLABLE") for column in table.columns
        ]
    for view in views():
        assert query(bigquery_client, house, f"SELECT COUNT(*) FROM `{{d}}.{view.name}`") == [(0,)]


def test_a_nullable_field_is_added_while_rows_are_there(bigquery_client, house):
    """Old rows read null, new ones the value, and the views have the new column, too."""
    apply(bigquery_client, house)
    insert(bigquery_client, house, "journey_abandonments", abandonment(1))
    wider = with_column(Column("device", "STRING", False, "What it was seen on."))
    (change,) = diff(bigquery_client, house, wider)
    assert (change.kind, change.text) == ("add_columns", "add to journey_abandonments: device")
    apply(bigquery_client, house, wider)
    insert(bigquery_client, house, "journey_abandonments", abandonment(2), device="phone")
    found = query(bigquery_client, house, "SELECT abandonment_id, device FROM `{d}.abandonments` ORDER BY 1")
    assert found == [("a1", None), ("a2", "phone")]
    assert diff(bigquery_client, house, wider) == []
    assert diff(bigquery_client, house) == [], "an earlier version of the program leaves the column alone"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (with_column(Column("device", "STRING", True, "")), "device is new and required"),
        (retyped("days_active", kind="STRING"), "days_active is INTEGER and would become STRING"),
        (retyped("user_id", is_required=True), "user_id is NULLABLE and would become REQUIRED"),
        (retyped("state", name="status"), "state is required in BigQuery and not in the contract"),
        ((ABANDONMENTS._replace(partition_by="detected_at"), LIFECYCLE), "it is partitioned by abandoned_at"),
    ],
)
def test_a_breaking_change_is_refused_before_anything_is_done(bigquery_client, house, wanted, why):
    """With the reason, and with nothing done of what could have been."""
    apply(bigquery_client, house)
    also = wanted[1]._replace(columns=(*LIFECYCLE.columns, Column("harmless", "STRING", False, "")))
    with pytest.raises(BreakingChangeError, match=why):
        apply(bigquery_client, house, (wanted[0], also))
    assert diff(bigquery_client, house) == []
    there = bigquery_client.get_table(f"{house.path}.journey_lifecycle")
    assert "harmless" not in {field.name for field in there.schema}


def test_a_field_that_no_column_can_hold_is_named():
    """A contract with, say, a union of two types stops here, not in a sink at night."""
    schema = {"name": "R", "fields": [{"name": "either", "type": ["null", "long", "string"]}]}
    with pytest.raises(UntranslatableFieldError, match=r"R\.either: .* has no column"):
        columns_of(schema)
    with pytest.raises(UntranslatableFieldError, match=r"R\.at: .*timestamp-micros.* has no column"):
        columns_of(
            {"name": "R", "fields": [{"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}
        )


def test_a_warehouse_that_does_not_answer_is_one_line():
    """Not a traceback of the client's retries."""
    nowhere = Warehouse("journeys", "journeys", "http://127.0.0.1:1", None)
    with pytest.raises(BigQueryError, match=r"http://127\.0\.0\.1:1 does not answer"), client(nowhere) as asked:
        asked.get_dataset("journeys.journeys", retry=None)
