//! Numbers of 31 bits that wrap (section 3.1).

/// The highest number.
pub(super) const LAST: u32 = 0x7fff_ffff;

/// The number `steps` after `sequence`.
pub const fn plus(sequence: u32, steps: u32) -> u32 {
    sequence.wrapping_add(steps) & LAST
}

/// How far `to` is ahead of `from`; negative when it is behind. Half of the circle is ahead.
pub const fn ahead(from: u32, to: u32) -> i32 {
    // Shifted up, the wrap of 31 bits is that of 32.
    (to.wrapping_sub(from) << 1).cast_signed() >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_after_31_bits() {
        assert_eq!((plus(LAST, 1), plus(LAST - 1, 3), plus(5, 0)), (0, 1, 5));
        assert_eq!((ahead(LAST, 0), ahead(0, LAST), ahead(3, 10), ahead(10, 3)), (1, -1, 7, -7));
        assert_eq!(ahead(0, 0x3fff_ffff), 0x3fff_ffff);
    }
}
