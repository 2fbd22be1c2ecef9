"""What a worker does to the topics, done by the pure parts alone: for tests of whoever reads those topics."""

from collections.abc import Callable

from topic_contents import Raw, read, write

from agents.settings import Settings
from agents.tombstone import TOMBSTONE_OFFSET_HEADER
from schemas.codec import Codec
from schemas.topics import changelog_name
from streams.partition import Partition
from streams.processor import Processor
from streams.schema_rows import missing_schemas
from streams.table import output_messages, stored_partition, stored_rows, tombstones


async def work_through(settings: Settings, change: Callable[[list[Raw]], list[Raw]] = lambda raws: raws) -> list[Raw]:
    """Apply the input topic and write what a worker writes, after `change`; gives what was written."""
    codec = Codec()
    raws: list[Raw] = []
    changelog = changelog_name(settings.application_id)
    inputs = await read(settings)
    for number, records in inputs.items():
        partition = Partition(number, len(inputs))
        effects = Processor(partition).process_log(records, codec)
        raws += [Raw(message.topic, number, message.key, message.value) for message in output_messages(effects, codec)]
        stored = [*missing_schemas((), codec), *stored_rows(effects, codec), stored_partition(partition, codec)]
        for row in [*stored, *tombstones(effects)]:
            headers = ((TOMBSTONE_OFFSET_HEADER, str(row.offset).encode()),) if row.value is None else ()
            raws.append(Raw(changelog, number, row.key, row.value, headers))
    written = change(raws)
    await write(settings, written)
    return written
