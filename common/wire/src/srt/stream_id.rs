//! The stream id: free text, or keys and values after `#!::` (libsrt's access control guidelines).

/// Bytes (section 3.2.1.3).
pub const STREAM_ID_MAX: usize = 512;

/// A stream id that no server can take as it was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamIdError {
    /// Longer than the protocol allows.
    #[error("the stream id has {0} bytes, at most {STREAM_ID_MAX} are allowed")]
    TooLong(usize),
    /// A key without a value.
    #[error("the stream id's part {0} has no `=`: write #!::key=value,key=value")]
    NoValue(usize),
    /// It asks to send.
    #[error("the stream id asks to publish (m=publish): a check wants to receive, write m=request")]
    Publish,
}

/// Looks whether a stream id can be meant: its length, the form of keys and values, that it asks to receive.
///
/// # Errors
/// What is wrong with it.
pub fn check_stream_id(text: &str) -> Result<(), StreamIdError> {
    if text.len() > STREAM_ID_MAX {
        return Err(StreamIdError::TooLong(text.len()));
    }
    let Some(pairs) = text.strip_prefix("#!::") else { return Ok(()) };
    for (number, pair) in (1..).zip(pairs.split(',')) {
        match pair.split_once('=') {
            Some(("m", "publish")) => return Err(StreamIdError::Publish),
            Some(_) => {}
            None => return Err(StreamIdError::NoValue(number)),
        }
    }
    Ok(())
}

/// As it stands in the handshake: zeros up to whole words, and each word with its bytes the other way round.
pub(super) fn to_wire(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
    bytes
}

/// What stood in a handshake, for people.
pub(super) fn from_wire(bytes: &[u8]) -> String {
    let text: Vec<u8> = bytes.as_chunks::<4>().0.iter().flat_map(|word| word.iter().rev().copied()).collect();
    String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_cannot_be_meant_are_refused_with_the_right_form() {
        let long = "x".repeat(513);
        for (id, expected) in [
            ("camera 1", Ok(())),
            ("", Ok(())),
            ("#!::u=ops,r=tv1,m=request", Ok(())),
            ("#!::r=tv1,m=publish", Err(StreamIdError::Publish)),
            ("#!::r=tv1,request", Err(StreamIdError::NoValue(2))),
            (long.as_str(), Err(StreamIdError::TooLong(513))),
        ] {
            assert_eq!(check_stream_id(id), expected, "{id}");
        }
    }

    #[test]
    fn words_are_turned_on_the_wire() {
        assert_eq!(to_wire("#!::r=tv1"), *b"::!#vt=r\0\0\x001");
        assert_eq!(from_wire(&to_wire("#!::r=tv1")), "#!::r=tv1");
    }
}
