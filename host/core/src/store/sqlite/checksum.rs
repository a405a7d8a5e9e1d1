//! The checksum of stored bytes: it finds damage, not malice. Stored; it never changes.

/// Eight bytes at a time, each step a bijection of the state: one changed word changes the sum.
pub(super) fn checksum(bytes: &[u8]) -> i64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sum = (bytes.len() as u64).wrapping_mul(FACTOR);
    for word in bytes.chunks(8) {
        let mut padded = [0; 8];
        padded[..word.len()].copy_from_slice(word);
        sum = (sum.rotate_left(23) ^ u64::from_le_bytes(padded)).wrapping_mul(FACTOR);
    }
    (sum ^ (sum >> 32)) as i64
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn every_flipped_bit_is_found_and_the_sum_is_the_stored_one() {
        let bytes: Vec<u8> = (0..100).collect();
        let sum = checksum(&bytes);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(checksum(&damaged), sum, "bit {bit}");
        }
        assert_ne!(checksum(&bytes[..99]), sum);
        assert_eq!(checksum(b""), 0);
        assert_ne!(checksum(&[0]), checksum(&[0, 0]));
    }
}
