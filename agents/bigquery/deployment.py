"""Deploys tables and views of the contracts: creates them, adds nullable columns, replaces views, refuses the rest."""

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
    """Existing tables can't be changed to match the contracts without damage to their rows."""


class Change(NamedTuple):
    """One difference between the dataset and the contracts, described in `text`; `breaking` ones are never applied."""

    kind: Literal["create", "add_columns", "replace_view", "cluster", "breaking"]
    name: str
    text: str


def diff(client: Any, warehouse: Warehouse, wanted: Sequence[Table] | None = None) -> list[Change]:
    """What `apply` would change or refuse; changes nothing. `wanted` are the tables, None takes all."""
    changes = []
    try:
        client.get_dataset(warehouse.path, retry=_RETRY)
    except NotFound:
        changes.append(Change("create", warehouse.dataset, f"create dataset {warehouse.path}"))
    for table in all_tables() if wanted is None else wanted:
        existing = _existing(client, f"{warehouse.path}.{table.name}")
        if existing is None:
            changes.append(Change("create", table.name, f"create table {table.name}, {len(table.columns)} columns"))
        else:
            changes += table_changes(table, existing)
    changes += [change for view in views() if (change := _view_change(client, warehouse, view)) is not None]
    return changes


def apply(client: Any, warehouse: Warehouse, wanted: Sequence[Table] | None = None) -> list[Change]:
    """Apply all changes and give them; raises BreakingChangeError before the first one, if any is breaking."""
    wanted = all_tables() if wanted is None else wanted
    changes = diff(client, warehouse, wanted)
    breaking = [change.text for change in changes if change.kind == "breaking"]
    if breaking:
        raise BreakingChangeError(
            "; ".join(breaking) + "; nothing was changed. Give the field a new name, or a new table and view "
            "(docs/bigquery.md, 'When a contract changes')"
        )
    client.create_dataset(bigquery.Dataset(warehouse.path), exists_ok=True, retry=_RETRY)
    changed = {change.name for change in changes}
    for table in wanted:
        if table.name in changed:
            _deploy_table(client, warehouse, table)
    for view in views():
        # A view describes its columns as of its last change, so views follow changes of tables.
        if view.name in changed or changed & {table.name for table in wanted}:
            _deploy_view(client, warehouse, view)
    return changes


def table_changes(table: Table, existing: Any) -> list[Change]:
    """Differences of an existing table, a google.cloud.bigquery.Table, from the contract."""
    fields = {field.name: field for field in existing.schema}
    added = [column for column in table.columns if column.name not in fields]
    changes = [_breaking(table, why) for why in _breaking_reasons(table, fields, added, existing)]
    if added and not changes:
        names = ", ".join(column.name for column in added)
        changes.append(Change("add_columns", table.name, f"add to {table.name}: {names}"))
    if tuple(existing.clustering_fields or ()) != table.cluster_by:
        changes.append(Change("cluster", table.name, f"cluster {table.name} by {', '.join(table.cluster_by)}"))
    return changes


def column_of(field: Any) -> Column:
    """Column of a google.cloud.bigquery.SchemaField; its kind may be one that no contract uses."""
    kind = _KINDS.get(field.field_type, field.field_type)
    return Column(field.name, kind, field.mode == "REQUIRED", field.description or "")


def _breaking_reasons(table: Table, fields: dict[str, Any], added: Sequence[Column], existing: Any) -> list[str]:
    why = [
        f"{column.name} is new and required, and existing rows have no value" for column in added if column.is_required
    ]
    for column in table.columns:
        field = fields.get(column.name)
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
        f"{name} is required in BigQuery and not in the contract: every new row would be refused"
        for name, field in fields.items()
        if name not in wanted and field.mode == "REQUIRED"
    ]
    by = None if existing.time_partitioning is None else existing.time_partitioning.field
    if by != table.partition_by:
        why.append(f"it is partitioned by {by or 'nothing'} and would be by {table.partition_by}")
    return why


def _breaking(table: Table, why: str) -> Change:
    return Change("breaking", table.name, f"{table.name}: {why}")


def _deploy_table(client: Any, warehouse: Warehouse, table: Table) -> None:
    existing = _existing(client, f"{warehouse.path}.{table.name}")
    if existing is None:
        new = bigquery.Table(f"{warehouse.path}.{table.name}", [_field(column) for column in table.columns])
        new.time_partitioning = bigquery.TimePartitioning(type_="DAY", field=table.partition_by)
        new.clustering_fields = list(table.cluster_by)
        new.description = table.description
        client.create_table(new, retry=_RETRY)
        return
    names = {field.name for field in existing.schema}
    for column in table.columns:
        if column.name not in names:
            # BigQuery needs only one of the two ways; the emulator stores by this one and reports by the other.
            statement = (
                f"ALTER TABLE `{warehouse.path}.{table.name}` ADD COLUMN IF NOT EXISTS {column.name} {sql_kind(column)}"
            )
            client.query(statement, retry=_RETRY).result(timeout=_RETRY_SECONDS)
    # New columns come last: existing ones can't be moved.
    existing.schema = [*existing.schema, *(_field(column) for column in table.columns if column.name not in names)]
    existing.clustering_fields = list(table.cluster_by)
    client.update_table(existing, ["schema", "clustering_fields"], retry=_RETRY)


def _deploy_view(client: Any, warehouse: Warehouse, view: View) -> None:
    new = bigquery.Table(f"{warehouse.path}.{view.name}")
    new.view_query = view.query(warehouse.path)
    new.description = _marked(view)
    if _existing(client, f"{warehouse.path}.{view.name}") is None:
        client.create_table(new, retry=_RETRY)
    else:  # an update keeps the rights on the view
        client.update_table(new, ["view_query", "description"], retry=_RETRY)


def _view_change(client: Any, warehouse: Warehouse, view: View) -> Change | None:
    existing = _existing(client, f"{warehouse.path}.{view.name}")
    if existing is None:
        return Change("create", view.name, f"create view {view.name}")
    # BigQuery returns the query, so that a change by hand is noticed; the emulator does not.
    is_same = existing.view_query in (None, view.query(warehouse.path)) and existing.description == _marked(view)
    return None if is_same else Change("replace_view", view.name, f"replace view {view.name}")


def _marked(view: View) -> str:
    """Description of a view, with a hash of its query."""
    return f"{view.description} [{blake2b(view.text.encode(), digest_size=4).hexdigest()}]"


def _existing(client: Any, name: str) -> Any | None:
    try:
        return client.get_table(name, retry=_RETRY)
    except NotFound:
        return None


def _field(column: Column) -> Any:
    mode = "REQUIRED" if column.is_required else "NULLABLE"
    return bigquery.SchemaField(column.name, column.kind, mode, description=column.description)
