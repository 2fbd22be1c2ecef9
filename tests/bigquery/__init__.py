"""BigQuery: tables, the sink, the connector; against an emulator as a process."""

import os

# gRPC would stop its threads whenever a test starts a process, and the proxy of the tests would stand still for good.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
