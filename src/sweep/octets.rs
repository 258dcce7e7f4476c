//! Fields of packets by their offsets.

/// Writes `value` over the octets from `at` on, if there are as many.
pub fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    if let Some(field) = octets.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}
