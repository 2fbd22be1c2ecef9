"""Brings a dataset to what the contracts say: creates, adds nullable columns, replaces views, refuses the rest."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from journeys.agents.bigquery.client import Warehouse
from journeys.agents.settings.operation_error import OperationError
from journeys.analytics.ddl import sql_kind
from journeys.analytics.table import Column, Kind, Table, all_tables
from journeys.analytics.view import View, views

_RETRY_SECONDS: Final = 30.0
_RETRY: Final = bigquery.DEFAULT_RETRY.with_timeout(_RETRY_SECONDS)
_KINDS: Final[dict[str, Kind]] = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}


class BreakingChangeError(OperationError):
    """Tables that exist can't become what the contracts say without losing or spoiling rows."""


class Change(NamedTuple):
    """One difference between the dataset and the contracts; `text` is for people.

    `breaking` ones are never applied.
    """

    kind: Literal["create", "add_columns", "replace_view", "cluster", "breaking"]
    name: str
    text: str


def diff(client: Any, house: Warehouse, wanted: Sequence[Table] | None = None) -> list[Change]:
    """Give what `apply` would do, and what it would refuse; changes nothing. `wanted` is for the tables of a test."""
    changes = []
    try:
        client.get_dataset(house.path, retry=_RETRY)
    except NotFound:
        changes.append(Change("create", house.dataset, f"create dataset {house.path}"))
    for table in all_tables() if wanted is None else wanted:
        there = _found(client, f"{house.path}.{table.name}")
        if there is None:
            changes.append(Change("create", table.name, f"create table {table.name}, {len(table.columns)} columns"))
        else:
            changes += table_changes(table, there)
    changes += [change for view in views() if (change := _view_change(client, house, view)) is not None]
    return changes


def apply(client: Any, house: Warehouse, wanted: Sequence[Table] | None = None) -> list[Change]:
    """Do it and give what was done. Raises BreakingChangeError before anything is done, if anything is breaking."""
    wanted = all_tables() if wanted is None else wanted
    changes = diff(client, house, wanted)
    breaking = [change.text for change in changes if change.kind == "breaking"]
    if breaking:
        raise BreakingChangeError(
            "; ".join(breaking) + "; nothing was changed. Give the field a new name, or a new table and view "
            "(docs/bigquery.md, 'When a contract changes')"
        )
    client.create_dataset(bigquery.Dataset(house.path), exists_ok=True, retry=_RETRY)
    changed = {change.name for change in changes}
    for table in wanted:
        if table.name in changed:
            _bring(client, house, table)
    for view in views():
        # What a view says of its columns is as of its last change.
        if view.name in changed or changed & {table.name for table in wanted}:
            _put_view(client, house, view)
    return changes


def table_changes(table: Table, there: Any) -> list[Change]:
    """Differences of one table that exists, a google.cloud.bigquery.Table."""
    found = {field.name: field for field in there.schema}
    added = [column for column in table.columns if column.name not in found]
    changes = [_breaking(table, why) for why in _broken(table, found, added, there)]
    if added and not changes:
        names = ", ".join(column.name for column in added)
        changes.append(Change("add_columns", table.name, f"add to {table.name}: {names}"))
    if tuple(there.clustering_fields or ()) != table.cluster_by:
        changes.append(Change("cluster", table.name, f"cluster {table.name} by {', '.join(table.cluster_by)}"))
    return changes


def column_of(field: Any) -> Column:
    """A column that is there, a google.cloud.bigquery.SchemaField; its kind may be one that no contract has."""
    kind = _KINDS.get(field.field_type, field.field_type)
    return Column(field.name, kind, field.mode == "REQUIRED", field.description or "")


def _broken(table: Table, found: dict[str, Any], added: Sequence[Column], there: Any) -> list[str]:
    why = [
        f"{column.name} is new and required: rows that are there have none" for column in added if column.is_required
    ]
    for column in table.columns:
        field = found.get(column.name)
        if field is None:
            continue
        kind = column_of(field).kind
        if kind != column.kind:
            why.append(f"{column.name} is {kind} and would become {column.kind}")
        mode = "REQUIRED" if column.is_required else "NULLABLE"
        if field.mode != mode:
            why.append(f"{column.name} is {field.mode} and would become {mode}")
    wanted = {column.name for column in table.columns}
    why += [
        f"{name} is required there, and the contract has no such field: every new row would be refused"
        for name, field in found.items()
        if name not in wanted and field.mode == "REQUIRED"
    ]
    by = None if there.time_partitioning is None else there.time_partitioning.field
    if by != table.partition_by:
        why.append(f"it is partitioned by {by or 'nothing'} and would be by {table.partition_by}")
    return why


def _breaking(table: Table, why: str) -> Change:
    return Change("breaking", table.name, f"{table.name}: {why}")


def _bring(client: Any, house: Warehouse, table: Table) -> None:
    there = _found(client, f"{house.path}.{table.name}")
    if there is None:
        made = bigquery.Table(f"{house.path}.{table.name}", [_field(column) for column in table.columns])
        made.time_partitioning = bigquery.TimePartitioning(type_="DAY", field=table.partition_by)
        made.clustering_fields = list(table.cluster_by)
        made.description = table.description
        client.create_table(made, retry=_RETRY)
        return
    names = {field.name for field in there.schema}
    for column in table.columns:
        if column.name not in names:
            # BigQuery needs but one of the two ways; the emulator stores by this and tells by the other.
            statement = (
                f"ALTER TABLE `{house.path}.{table.name}` ADD COLUMN IF NOT EXISTS {column.name} {sql_kind(column)}"
            )
            client.query(statement, retry=_RETRY).result(timeout=_RETRY_SECONDS)
    # Behind those that are there: a column has its place for good.
    there.schema = [*there.schema, *(_field(column) for column in table.columns if column.name not in names)]
    there.clustering_fields = list(table.cluster_by)
    client.update_table(there, ["schema", "clustering_fields"], retry=_RETRY)


def _put_view(client: Any, house: Warehouse, view: View) -> None:
    made = bigquery.Table(f"{house.path}.{view.name}")
    made.view_query = view.query(house.path)
    made.description = _marked(view)
    if _found(client, f"{house.path}.{view.name}") is None:
        client.create_table(made, retry=_RETRY)
    else:  # in place: who may read it is kept
        client.update_table(made, ["view_query", "description"], retry=_RETRY)


def _view_change(client: Any, house: Warehouse, view: View) -> Change | None:
    there = _found(client, f"{house.path}.{view.name}")
    if there is None:
        return Change("create", view.name, f"create view {view.name}")
    # The emulator does not give the query back, BigQuery does: then one changed by hand is seen, too.
    is_same = there.view_query in (None, view.query(house.path)) and there.description == _marked(view)
    return None if is_same else Change("replace_view", view.name, f"replace view {view.name}")


def _marked(view: View) -> str:
    """Description of a view with a fingerprint of its query."""
    return f"{view.description} [{blake2b(view.text.encode(), digest_size=4).hexdigest()}]"


def _found(client: Any, name: str) -> Any | None:
    try:
        return client.get_table(name, retry=_RETRY)
    except NotFound:
        return None


def _field(column: Column) -> Any:
    mode = "REQUIRED" if column.is_required else "NULLABLE"
    return bigquery.SchemaField(column.name, column.kind, mode, description=column.description)
