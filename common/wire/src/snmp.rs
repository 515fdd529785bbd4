//! SNMP version 2c (RFC 3416, RFC 1901): questions for values, and the answers; BER as far as these need it.
//!
//! Written here because the crates at hand bring a score of packages, or `unsafe`, for two message types.

use thiserror::Error;

/// Most values of one answer that are read.
pub const BINDINGS_MAX: usize = 128;
/// Most numbers of an object identifier (RFC 3416, section 4.1).
pub const OID_MAX: usize = 128;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// Counters of 32 and 64 bits, gauges, time in hundredths: all unsigned.
const UNSIGNED: [u8; 4] = [0x41, 0x42, 0x43, 0x46];
const RESPONSE: u8 = 0xa2;
/// Version 2c is 1.
const VERSION: i64 = 1;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The values of these objects.
    Get,
    /// The objects that follow these, and their values.
    Next,
}

/// A value, as far as a number or a text can be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A signed number.
    Integer(i64),
    /// A counter, gauge or time in hundredths of a second.
    Unsigned(u64),
    /// Bytes, mostly text.
    Octets(Vec<u8>),
    /// No such object, the end of the tree, or a type that is not read.
    None,
}

impl Value {
    /// The number, if it is one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Unsigned(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Octets(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The number of the question.
    pub id: i64,
    /// 0, or what was wrong (RFC 3416, section 3): 2 is noSuchName.
    pub error: i64,
    /// Objects and values, in the order of the question.
    pub bindings: Vec<(Vec<u32>, Value)>,
}

/// Why bytes are no answer; each names the offset of the offending byte.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnmpError {
    /// It ends within an element.
    #[error("the answer ends within the element at byte {0}")]
    Truncated(usize),
    /// Another type than the one that belongs there.
    #[error("type 0x{found:02x} at byte {at}, where 0x{wanted:02x} belongs")]
    Type {
        /// Where.
        at: usize,
        /// What stands there.
        found: u8,
        /// What belongs there.
        wanted: u8,
    },
    /// A length, number or identifier that is too large.
    #[error("the element at byte {0} is too large")]
    TooLarge(usize),
    /// More than [`BINDINGS_MAX`] values.
    #[error("more than {BINDINGS_MAX} values")]
    TooMany,
}

/// The message that asks `question` about `objects`.
pub fn encode(question: Question, community: &str, id: i32, objects: &[Vec<u32>]) -> Vec<u8> {
    let bindings: Vec<u8> = objects
        .iter()
        .flat_map(|object| {
            element(SEQUENCE, &[element(OBJECT, &object_bytes(object)), element(NULL, &[])].concat())
        })
        .collect();
    let kind = match question {
        Question::Get => 0xa0,
        Question::Next => 0xa1,
    };
    let pdu = [
        element(INTEGER, &id.to_be_bytes()),
        element(INTEGER, &[0]),
        element(INTEGER, &[0]),
        element(SEQUENCE, &bindings),
    ];
    let message =
        [element(INTEGER, &[1]), element(OCTETS, community.as_bytes()), element(kind, &pdu.concat())];
    element(SEQUENCE, &message.concat())
}

/// Type, length, content.
fn element(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = vec![kind];
    match content.len() {
        0..=0x7f => out.push(length[3]),
        0x80..=0xffff => out.extend([0x82, length[2], length[3]]),
        _ => out.extend([0x84, length[0], length[1], length[2], length[3]]),
    }
    out.extend_from_slice(content);
    out
}

/// The first two numbers share a byte; the others come in groups of seven bits.
fn object_bytes(object: &[u32]) -> Vec<u8> {
    let first = object.first().copied().unwrap_or(0) * 40 + object.get(1).copied().unwrap_or(0);
    let rest = object.get(2..).unwrap_or_default();
    let mut out = Vec::new();
    for number in std::iter::once(&first).chain(rest) {
        let groups = (32 - number.leading_zeros()).div_ceil(7).max(1);
        for group in (0..groups).rev() {
            let more = if group > 0 { 0x80 } else { 0 };
            out.push(u8::try_from((number >> (7 * group)) & 0x7f).unwrap_or(0) | more);
        }
    }
    out
}

/// Reads an answer.
///
/// # Errors
/// What is wrong, and where.
pub fn decode(bytes: &[u8]) -> Result<Answer, SnmpError> {
    let mut message = Reader { bytes, at: 0, end: bytes.len() }.open(SEQUENCE)?;
    let at = message.at;
    if message.integer()? != VERSION {
        return Err(SnmpError::Type { at, found: 0, wanted: INTEGER });
    }
    message.content(OCTETS)?;
    let mut pdu = message.open(RESPONSE)?;
    let mut answer = Answer { id: pdu.integer()?, error: pdu.integer()?, bindings: Vec::new() };
    pdu.integer()?;
    let mut list = pdu.open(SEQUENCE)?;
    while list.at < list.end {
        if answer.bindings.len() == BINDINGS_MAX {
            return Err(SnmpError::TooMany);
        }
        let mut binding = list.open(SEQUENCE)?;
        let object = binding.object()?;
        answer.bindings.push((object, binding.value()?));
    }
    Ok(answer)
}

/// Elements one after the other, up to `end`.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// The next element's type and the range of its content.
    fn next(&mut self) -> Result<(u8, usize, usize), SnmpError> {
        let start = self.at;
        let truncated = SnmpError::Truncated(start);
        let rest = self.bytes.get(start..self.end).unwrap_or_default();
        let (Some(kind), Some(first)) = (rest.first(), rest.get(1)) else { return Err(truncated) };
        let (length, header) = match first {
            0..=0x7f => (usize::from(*first), 2),
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let digits = rest.get(2..2 + count).ok_or(SnmpError::Truncated(start))?;
                (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), 2 + count)
            }
            _ => return Err(SnmpError::TooLarge(start)),
        };
        let from = start + header;
        let to = from.checked_add(length).filter(|to| *to <= self.end).ok_or(truncated)?;
        self.at = to;
        Ok((*kind, from, to))
    }

    fn expect(&mut self, wanted: u8) -> Result<(usize, usize), SnmpError> {
        let at = self.at;
        let (found, from, to) = self.next()?;
        if found == wanted { Ok((from, to)) } else { Err(SnmpError::Type { at, found, wanted }) }
    }

    fn open(&mut self, wanted: u8) -> Result<Reader<'a>, SnmpError> {
        let (from, to) = self.expect(wanted)?;
        Ok(Reader { bytes: self.bytes, at: from, end: to })
    }

    fn content(&mut self, wanted: u8) -> Result<&'a [u8], SnmpError> {
        let (from, to) = self.expect(wanted)?;
        Ok(&self.bytes[from..to])
    }

    fn integer(&mut self) -> Result<i64, SnmpError> {
        let at = self.at;
        signed(self.content(INTEGER)?).ok_or(SnmpError::TooLarge(at))
    }

    fn object(&mut self) -> Result<Vec<u32>, SnmpError> {
        let at = self.at;
        let content = self.content(OBJECT)?;
        let mut numbers: Vec<u32> = Vec::new();
        let mut number = 0_u32;
        for byte in content {
            number = number.checked_mul(128).ok_or(SnmpError::TooLarge(at))? | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                if numbers.is_empty() {
                    let first = (number / 40).min(2);
                    numbers.extend([first, number - 40 * first]);
                } else {
                    numbers.push(number);
                }
                number = 0;
            }
            if numbers.len() > OID_MAX {
                return Err(SnmpError::TooLarge(at));
            }
        }
        Ok(numbers)
    }

    fn value(&mut self) -> Result<Value, SnmpError> {
        let at = self.at;
        let (kind, from, to) = self.next()?;
        let content = &self.bytes[from..to];
        Ok(match kind {
            INTEGER => Value::Integer(signed(content).ok_or(SnmpError::TooLarge(at))?),
            // Squid sends unsigned numbers without the leading 0 that would keep them from being negative.
            kind if UNSIGNED.contains(&kind) => {
                let digits = content.strip_prefix(&[0]).unwrap_or(content);
                if digits.len() > 8 {
                    return Err(SnmpError::TooLarge(at));
                }
                Value::Unsigned(digits.iter().fold(0, |sum, digit| sum << 8 | u64::from(*digit)))
            }
            OCTETS => Value::Octets(content.to_vec()),
            _ => Value::None,
        })
    }
}

fn signed(content: &[u8]) -> Option<i64> {
    let negative = content.first().is_some_and(|first| first & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    (1..=8).contains(&content.len()).then(|| content.iter().fold(start, |sum, b| sum << 8 | i64::from(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Turns a question into the answer that echoes it, with `value` for every NULL.
    fn echo(question: &[u8], value: &[u8]) -> Vec<u8> {
        let mut reader = Reader { bytes: question, at: 0, end: question.len() }.open(SEQUENCE).unwrap();
        let version = reader.integer().unwrap();
        let community = reader.content(OCTETS).unwrap();
        let (_, from, to) = reader.next().unwrap();
        let mut pdu = Reader { bytes: question, at: from, end: to };
        let id = pdu.content(INTEGER).unwrap();
        pdu.integer().unwrap();
        pdu.integer().unwrap();
        let mut list = pdu.open(SEQUENCE).unwrap();
        let mut bindings = Vec::new();
        while list.at < list.end {
            let object = list.open(SEQUENCE).unwrap().content(OBJECT).unwrap();
            bindings.extend(element(SEQUENCE, &[element(OBJECT, object), value.to_vec()].concat()));
        }
        let pdu = [
            element(INTEGER, id),
            element(INTEGER, &[0]),
            element(INTEGER, &[0]),
            element(SEQUENCE, &bindings),
        ];
        let version = [u8::try_from(version).unwrap()];
        let message =
            [element(INTEGER, &version), element(OCTETS, community), element(RESPONSE, &pdu.concat())];
        element(SEQUENCE, &message.concat())
    }

    #[test]
    fn a_question_is_what_snmpget_sends() {
        // `snmpget -v2c -c public HOST .1.3.6.1.4.1.3495.1.3.2.1.1.0` of net-snmp 5.9.3, captured.
        let captured =
            b"\x30\x2e\x02\x01\x01\x04\x06public\xa0\x21\x02\x04\x33\xbc\x7b\x35\x02\x01\x00\x02\x01\x00\
            \x30\x13\x30\x11\x06\x0d\x2b\x06\x01\x04\x01\x9b\x27\x01\x03\x02\x01\x01\x00\x05\x00";
        let object = vec![1, 3, 6, 1, 4, 1, 3495, 1, 3, 2, 1, 1, 0];
        let bytes = encode(Question::Get, "public", 0x33bc_7b35, &[object]);
        assert_eq!(bytes, captured, "{}", bytes.escape_ascii());
    }

    #[test]
    fn values_of_every_type_are_read() {
        for (value, expected) in [
            (element(INTEGER, &[0xff]), Value::Integer(-1)),
            (element(0x41, &[0xff, 0xff, 0xff, 0xff]), Value::Unsigned(0xffff_ffff)),
            (element(0x43, &[0, 0x80]), Value::Unsigned(128)),
            (element(OCTETS, b"5.7"), Value::Octets(b"5.7".to_vec())),
            (element(0x80, &[]), Value::None),
        ] {
            let answer = decode(&echo(&encode(Question::Next, "c", 7, &[vec![1, 3, 9]]), &value)).unwrap();
            assert_eq!((answer.id, answer.error), (7, 0));
            assert_eq!(answer.bindings, [(vec![1, 3, 9], expected)]);
        }
    }

    proptest! {
        #[test]
        fn any_object_reads_back(object in prop::collection::vec(any::<u32>(), 0..20)) {
            let object = [vec![1, 3], object].concat();
            let answer = decode(&echo(&encode(Question::Get, "public", 1, std::slice::from_ref(&object)), &[5, 0])).unwrap();
            prop_assert_eq!(&answer.bindings[0].0, &object);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0_usize..60, byte in any::<u8>()) {
            let _ = decode(&bytes);
            let mut answer = echo(&encode(Question::Get, "public", 1, &[vec![1, 3, 6]]), &[5, 0]);
            let at = at % answer.len();
            answer[at] = byte;
            let _ = decode(&answer);
        }
    }
}
