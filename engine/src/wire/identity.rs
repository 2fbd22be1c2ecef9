//! Ids that are derived, hashes of ids, and the partition of a key: as `journeys.schemas.identity` and `journeys.schemas.partitioner`.

use xxhash_rust::xxh3::xxh3_64;

const TOPIC: &[u8] = b"journey-events\0";

/// Hex of BLAKE2b-128 over journey_id, a zero byte and started_at in 8 bytes.
pub fn abandonment_id(journey_id: &str, started_at: i64, scratch: &mut Vec<u8>) -> String {
    scratch.clear();
    scratch.extend_from_slice(journey_id.as_bytes());
    scratch.push(0);
    scratch.extend_from_slice(&started_at.to_be_bytes());
    hex_of(scratch)
}

/// Hex of BLAKE2b-128 over topic, partition, offset, kind and journey_id of a record of the input topic.
pub fn lifecycle_id(partition: u32, offset: i64, kind: &str, journey_id: &str, scratch: &mut Vec<u8>) -> String {
    scratch.clear();
    scratch.extend_from_slice(TOPIC);
    scratch.extend_from_slice(&partition.to_be_bytes());
    scratch.extend_from_slice(&offset.to_be_bytes());
    scratch.extend_from_slice(kind.as_bytes());
    scratch.push(0);
    scratch.extend_from_slice(journey_id.as_bytes());
    hex_of(scratch)
}

fn hex_of(content: &[u8]) -> String {
    let mut wanted = blake2b_simd::Params::new();
    wanted.hash_length(16);
    wanted.hash(content).to_hex().as_str().to_owned()
}

/// Hash of a touchpoint_id, as a row remembers it.
#[inline]
pub fn touchpoint_hash(touchpoint_id: &str, scratch: &mut Vec<u8>) -> i64 {
    scratch.clear();
    scratch.push(b't');
    scratch.extend_from_slice(touchpoint_id.as_bytes());
    xxh3_64(scratch) as i64
}

/// Partition that murmur2, as Java's producer computes it, gives a key among `count`.
pub fn partition_of(key: &[u8], count: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % count
}

fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut value = 0x9747_b28c ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        value = value.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        value = (value ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    value = (value ^ (value >> 13)).wrapping_mul(M);
    value ^ (value >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_the_design() {
        let id = abandonment_id("journey-123", 1_760_000_000_000, &mut Vec::new());
        assert_eq!(id, "6fa6c66f370999288c04a1bd35404269"); // pragma: allowlist secret
    }

    /// From Kafka's own UtilsTest.testMurmur2.
    #[test]
    fn murmur2_is_javas() {
        let known: [(&[u8], i32); 5] = [
            (b"21", -973932308),
            (b"foobar", -790332482),
            (b"a-little-bit-long-string", -985981536),
            (b"a-little-bit-longer-string", -1486304829),
            (b"abc", 479470107),
        ];
        for (key, expected) in known {
            assert_eq!(murmur2(key) as i32, expected);
        }
    }
}
