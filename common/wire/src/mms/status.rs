//! HRESULT: why a server refuses, in words.

use std::fmt;

/// A result code. The highest bit tells failure (MS-ERREF section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status(pub u32);

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Who asks may not have it.
    Access,
    /// There is no such stream.
    NotFound,
    /// The server is full, busy or broken.
    Other,
}

/// Codes that servers send to players: `nserror.h`, `winerror.h`, and the list in Wireshark's dissector.
const WORDS: &[(u32, &str)] = &[
    (0x8000_ffff, "unexpected failure"),
    (0x8007_0002, "file not found"),
    (0x8007_0003, "path not found"),
    (0x8007_0005, "access denied"),
    (0x8007_000e, "out of memory"),
    (0x8007_0057, "a parameter of the location is wrong"),
    (0xc00d_000e, "the network is busy"),
    (0xc00d_000f, "too many clients are connected"),
    (0xc00d_0013, "time-out at the server"),
    (0xc00d_001a, "file not found"),
    (0xc00d_001d, "the file cannot be opened"),
    (0xc00d_0024, "internal error of the server"),
    (0xc00d_0025, "the resource is in use"),
    (0xc00d_0029, "the server's network connection has failed"),
    (0xc00d_002b, "the request is invalid in the current state"),
    (0xc00d_002c, "not enough bandwidth"),
    (0xc00d_0034, "no more data in the stream"),
    (0xc00d_0035, "the server's source cannot be found"),
    (0xc00d_2efb, "access denied"),
];

impl Status {
    /// Whether it is a failure.
    pub const fn is_failure(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// What the failure is about.
    pub const fn refusal(self) -> Refusal {
        match self.0 {
            0x8007_0005 | 0xc00d_2efb => Refusal::Access,
            0x8007_0002 | 0x8007_0003 | 0xc00d_001a => Refusal::NotFound,
            _ => Refusal::Other,
        }
    }

    /// The words of a known code.
    pub fn words(self) -> Option<&'static str> {
        WORDS.iter().find(|(code, _)| *code == self.0).map(|(_, words)| *words)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words() {
            Some(words) => write!(f, "{words} (0x{:08X})", self.0),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}
