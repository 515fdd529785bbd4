//! The answer to `RealChallenge1`.

use md5::{Digest, Md5};

/// What stands before the challenge in the block that is hashed.
const PREFIX: [u8; 8] = [0xa1, 0xe9, 0x14, 0x9d, 0x0e, 0x6b, 0x3b, 0x59];
/// What the challenge is combined with.
const MASK: [u8; 37] = [
    0x05, 0x18, 0x74, 0xd0, 0x0d, 0x09, 0x02, 0x53, 0xc0, 0x01, 0x05, 0x05, 0x67, 0x03, 0x19, 0x70, 0x08,
    0x27, 0x66, 0x10, 0x10, 0x72, 0x08, 0x09, 0x63, 0x11, 0x03, 0x71, 0x08, 0x08, 0x70, 0x02, 0x10, 0x57,
    0x05, 0x18, 0x54,
];
/// The end of every response.
const TAIL: &str = "01d0a8e3";
/// A challenge of this length has a tail of its own, which does not count.
const WITH_TAIL: usize = 40;
/// The part of a [`WITH_TAIL`] challenge that counts.
const WITHOUT_TAIL: usize = 32;
/// What of a challenge finds room in the block.
const MAX_CHALLENGE: usize = 56;

/// A response and its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 40 digits.
    pub response: String,
    /// Every fourth digit of the first 32.
    pub checksum: String,
}

impl Response {
    /// The response to the value of `RealChallenge1`.
    pub fn to(challenge: &str) -> Self {
        let bytes = challenge.as_bytes();
        let counts = if bytes.len() == WITH_TAIL { WITHOUT_TAIL } else { bytes.len().min(MAX_CHALLENGE) };
        let mut block = [0; 64];
        for (byte, value) in block.iter_mut().zip(PREFIX.iter().chain(&bytes[..counts])) {
            *byte = *value;
        }
        for (byte, mask) in block.iter_mut().skip(PREFIX.len()).zip(MASK) {
            *byte ^= mask;
        }
        let digits = Md5::digest(block).iter().flat_map(|byte| [byte >> 4, byte & 15]).collect::<Vec<u8>>();
        let digit = |digit: &u8| char::from_digit((*digit).into(), 16).unwrap_or('0');
        let response: String = digits.iter().map(digit).chain(TAIL.chars()).collect();
        Self { checksum: digits.iter().map(digit).step_by(4).collect(), response }
    }

    /// The value of `RealChallenge2`.
    pub fn header(&self) -> String {
        format!("{}, sd={}", self.response, self.checksum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_is_that_of_ffmpeg_and_vlc() {
        let response = Response::to("2a9a2f0f62fcd8b63ff99ca2a8b5eb65");
        assert_eq!(response.header(), "cfabea07436c43b7ed4f92c4f48d096f01d0a8e3, sd=ce44e9f0");
    }

    #[test]
    fn a_tail_does_not_count_and_no_length_is_too_long() {
        let short = Response::to("2a9a2f0f62fcd8b63ff99ca2a8b5eb65");
        assert_eq!(Response::to("2a9a2f0f62fcd8b63ff99ca2a8b5eb65deadbeef"), short);
        assert_eq!(Response::to(&"x".repeat(1000)), Response::to(&"x".repeat(56)));
        assert_eq!(Response::to("").response.len(), 40);
    }
}
