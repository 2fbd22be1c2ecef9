//! Bytes of the wire: Avro, Kafka's record batches, and the records of the log that the engine decodes.

pub mod avro;
pub mod identity;
pub mod messages;
pub mod punctuation;
mod record_batch;
pub mod records;
pub mod touchpoint;

/// Length of the wire format's prefix: byte 0 and the schema's id.
pub const HEADER_BYTES: usize = 5;
/// Longest value that the engine decodes: a record with longer texts is the reference's to refuse.
const LONGEST_VALUE: usize = 1_000;
