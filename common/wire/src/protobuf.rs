//! Protocol Buffers on the wire (<https://protobuf.dev/programming-guides/encoding/>), as much as a client of a few questions
//! needs: the fields of a message one after the other, by number, without a schema.
//!
//! A message is a row of `key value` with `key = number << 3 | kind`. What is not known is passed over, as the format wants.

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Kind 0: integers, booleans, enumerations.
    Number(u64),
    /// Kind 2: texts, bytes, messages, packed numbers.
    Bytes(&'a [u8]),
    /// Kinds 1 and 5: eight or four bytes that nobody here reads.
    Fixed,
}

impl<'a> Value<'a> {
    /// The number; 0 for another kind.
    pub const fn number(self) -> u64 {
        if let Self::Number(number) = self { number } else { 0 }
    }

    /// The bytes; none for another kind.
    pub const fn bytes(self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }

    /// The text; empty for another kind or what is not UTF-8.
    pub fn text(self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

/// The fields of a message in their order. Ends early where the bytes are no message: use [`is_whole`] first.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

/// The fields of `message`.
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields(message)
}

/// Whether `message` is a row of fields to its last byte.
pub fn is_whole(message: &[u8]) -> bool {
    let mut fields = fields(message);
    while fields.next().is_some() {}
    fields.0.is_empty()
}

/// The last field `number` of `message`, which is the one that counts when there are several; `Number(0)` without one.
pub fn field(message: &[u8], number: u64) -> Value<'_> {
    fields(message).filter(|(n, _)| *n == number).last().map_or(Value::Number(0), |(_, value)| value)
}

/// The field at the end of a path of messages within messages.
pub fn inner<'a>(message: &'a [u8], path: &[u64]) -> Value<'a> {
    path.iter().fold(Value::Bytes(message), |value, number| field(value.bytes(), *number))
}

/// All fields `number` of `message`.
pub fn all(message: &[u8], number: u64) -> impl Iterator<Item = Value<'_>> {
    fields(message).filter(move |(n, _)| *n == number).map(|(_, value)| value)
}

/// The numbers of a packed field.
pub fn packed(mut bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    std::iter::from_fn(move || varint(&mut bytes))
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.0;
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)?),
            1 => skip(&mut rest, 8)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, after) = rest.split_at_checked(length)?;
                rest = after;
                Value::Bytes(bytes)
            }
            5 => skip(&mut rest, 4)?,
            _ => return None,
        };
        self.0 = rest;
        Some((key >> 3, value))
    }
}

fn skip<'a>(rest: &mut &'a [u8], length: usize) -> Option<Value<'a>> {
    *rest = rest.get(length..)?;
    Some(Value::Fixed)
}

/// Seven bits a byte, the lowest first; ten bytes at most.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (n, byte) in rest.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(n).ok()?)?;
        if byte & 0x80 == 0 {
            *rest = &rest[n + 1..];
            return Some(number);
        }
    }
    None
}

/// Writes a message, field by field.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A number. Zero is what is read where there is no field, and so is not written.
    #[must_use]
    pub fn number(mut self, field: u64, value: u64) -> Self {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
        self
    }

    /// Text, bytes or a message.
    #[must_use]
    pub fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push((value & 0x7f) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(fields(b"\x08\x96\x01").collect::<Vec<_>>(), [(1, Value::Number(150))]);
        assert_eq!(field(b"\x12\x07testing", 2).text(), "testing");
        assert_eq!(inner(b"\x1a\x03\x08\x96\x01", &[3, 1]).number(), 150);
        assert_eq!(packed(b"\x03\x8e\x02\x9e\xa7\x05").collect::<Vec<_>>(), [3, 270, 86942]);
    }

    #[test]
    fn a_message_that_is_cut_is_not_whole() {
        let message = b"\x12\x07testing\x08\x96\x01";
        assert!(is_whole(message) && is_whole(b""));
        for end in [1, 3, 8, 10, 11] {
            assert!(!is_whole(&message[..end]), "{end}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(number in 1_u64.., text in ".{0,40}", field in 1_u64..1000) {
            let message = Writer::default().number(field, number).bytes(field + 1, text.as_bytes()).finish();
            prop_assert!(is_whole(&message));
            prop_assert_eq!(super::field(&message, field).number(), number);
            prop_assert_eq!(super::field(&message, field + 1).text(), text);
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(fields(&bytes).count() <= bytes.len());
            prop_assert!(packed(&bytes).count() <= bytes.len());
        }
    }
}
