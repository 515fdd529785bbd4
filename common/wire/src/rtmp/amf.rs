//! AMF0: the values of commands and metadata.

use thiserror::Error;

use super::be;

/// Objects inside of objects, at most.
pub const MAX_DEPTH: usize = 8;
/// Values of one message, at most: the metadata of a file may list all of its key frames.
pub const MAX_VALUES: usize = 16_384;
/// Characters of a text that are kept.
pub const MAX_TEXT: usize = 1024;

/// A value. Names and texts are cut at [`MAX_TEXT`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A truth.
    Boolean(bool),
    /// A text, an XML document, or the name of a class.
    Text(String),
    /// An object, or an array with names.
    Object(Vec<(String, Value)>),
    /// An array.
    Array(Vec<Value>),
    /// Null, undefined, unsupported, a reference.
    Null,
}

/// Bytes that are not AMF0, or are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmfError {
    /// The value reaches beyond its message.
    #[error("byte {0} of the message: a value that does not end within it")]
    Short(usize),
    /// No type of AMF0.
    #[error("byte {at} of the message: no AMF0 type 0x{marker:02x}")]
    Marker {
        /// Where.
        at: usize,
        /// What stands there.
        marker: u8,
    },
    /// Objects inside of objects inside of objects.
    #[error("byte {0} of the message: objects nested more than {MAX_DEPTH} deep")]
    Deep(usize),
    /// More than [`MAX_VALUES`].
    #[error("byte {0} of the message: more than {MAX_VALUES} values")]
    Many(usize),
}

impl Value {
    /// The number.
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The member `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(own, _)| own == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Writes the value to the end of `out`. Texts beyond 65,535 bytes are cut.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                out.push(0);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Boolean(truth) => out.extend_from_slice(&[1, u8::from(*truth)]),
            Self::Text(text) => {
                out.push(2);
                write_text(text, out);
            }
            Self::Object(members) => {
                out.push(3);
                for (name, value) in members {
                    write_text(name, out);
                    value.write(out);
                }
                out.extend_from_slice(&[0, 0, 9]);
            }
            Self::Array(values) => {
                out.push(10);
                out.extend_from_slice(&u32::try_from(values.len()).unwrap_or(u32::MAX).to_be_bytes());
                for value in values {
                    value.write(out);
                }
            }
            Self::Null => out.push(5),
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// Reads values to the end of `bytes`.
///
/// # Errors
/// [`AmfError`]; what was read before it is lost.
pub fn read_all(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut reader = Reader { bytes, at: 0, left: MAX_VALUES };
    let mut values = Vec::new();
    while reader.at < bytes.len() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], AmfError> {
        let end = self.at.checked_add(count).ok_or(AmfError::Short(self.at))?;
        let taken = self.bytes.get(self.at..end).ok_or(AmfError::Short(self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn long(&mut self) -> Result<usize, AmfError> {
        let length = be(self.take(4)?);
        usize::try_from(length).map_err(|_| AmfError::Short(self.at))
    }

    fn text(&mut self, length: usize) -> Result<String, AmfError> {
        let bytes = self.take(length)?;
        Ok(String::from_utf8_lossy(bytes).chars().take(MAX_TEXT).collect())
    }

    fn short_text(&mut self) -> Result<String, AmfError> {
        let length = be(self.take(2)?);
        self.text(length as usize)
    }

    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        let at = self.at;
        self.left = self.left.checked_sub(1).ok_or(AmfError::Many(at))?;
        if depth > MAX_DEPTH {
            return Err(AmfError::Deep(at));
        }
        let marker = be(self.take(1)?);
        Ok(match marker {
            0 => Value::Number(self.number()?),
            1 => Value::Boolean(self.take(1)? != [0]),
            2 => Value::Text(self.short_text()?),
            3 => self.members(depth)?,
            5 | 6 | 13 => Value::Null,
            7 => {
                self.take(2)?;
                Value::Null
            }
            8 => {
                // The count is a hint, and wrong in practice: the end marker counts.
                self.take(4)?;
                self.members(depth)?
            }
            10 => {
                let count = self.long()?;
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(depth + 1)?);
                }
                Value::Array(values)
            }
            11 => {
                let date = self.number()?;
                self.take(2)?; // a time zone that nobody fills in
                Value::Number(date)
            }
            12 | 15 => {
                let length = self.long()?;
                Value::Text(self.text(length)?)
            }
            16 => {
                self.short_text()?;
                self.members(depth)?
            }
            _ => return Err(AmfError::Marker { at, marker: u8::try_from(marker).unwrap_or_default() }),
        })
    }

    fn number(&mut self) -> Result<f64, AmfError> {
        let bytes = self.take(8)?.try_into().unwrap_or_default();
        Ok(f64::from_be_bytes(bytes))
    }

    /// Names and values up to the end marker.
    fn members(&mut self, depth: usize) -> Result<Value, AmfError> {
        let mut members = Vec::new();
        loop {
            // Encoders leave the end marker of the last array out.
            if self.at == self.bytes.len() {
                return Ok(Value::Object(members));
            }
            let name = self.short_text()?;
            if name.is_empty() && self.bytes.get(self.at) == Some(&9) {
                self.at += 1;
                return Ok(Value::Object(members));
            }
            members.push((name, self.value(depth + 1)?));
        }
    }
}
