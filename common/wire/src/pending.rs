//! Bytes that have come and are not read yet, for the readers of binary protocols.

/// What is left of what was pushed. The reader that owns it says how much may be waited for.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    used: usize,
    /// How many bytes have been taken in all: the place of [`rest`](Self::rest) for errors.
    pub(crate) offset: u64,
}

impl Pending {
    pub(crate) fn push(&mut self, input: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(input);
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// The next `count` bytes, once all of them are here.
    pub(crate) fn take(&mut self, count: usize) -> Option<&[u8]> {
        let begin = self.used;
        let taken = self.bytes.get(begin..begin + count)?;
        self.used += count;
        self.offset += count as u64;
        Some(taken)
    }
}
