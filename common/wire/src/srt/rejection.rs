//! Why a listener refuses a caller, in words.
//!
//! On the wire the code stands where a handshake has its type: 1000 and the number of libsrt's `srt.h` (`SRT_REJ_*`), or 1000 and a
//! number of `access_control.h` (`SRT_REJX_*`, from 1000, after HTTP's), or 1000 and one of the server's own (from 2000).

use std::fmt;

/// The lowest type that is a rejection; what follows are internal, predefined and own codes.
const INTERNAL: u32 = 1000;
const PREDEFINED: u32 = 2000;
const OWN: u32 = 3000;
/// Types from here on are handshakes.
const HANDSHAKES: u32 = 0x8000_0000;

/// A rejection, as libsrt's tools print it: 1000 more than the constants of its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection(u32);

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The passphrase: missing, wrong, or not wanted.
    Passphrase,
    /// The stream or the caller: the server's own rules.
    Access,
    /// Too many callers, too little of something, about to end.
    Busy,
    /// Anything else.
    Other,
}

impl Rejection {
    /// The rejection in a handshake's type.
    pub fn of(kind: u32) -> Option<Self> {
        // Some servers (gosrt) forget to add 1000 to codes after HTTP's.
        let forgotten = if (1400..1600).contains(&kind) { 1000 } else { 0 };
        (INTERNAL..HANDSHAKES).contains(&kind).then_some(Self(kind + forgotten))
    }

    /// What kind of reason it is.
    pub const fn refusal(self) -> Refusal {
        match self.0 {
            1010 | 1011 | 1017 => Refusal::Passphrase,
            1003 | 1005 | 1007 | 2402 | 2409 | 2423 | 2503 => Refusal::Busy,
            // A listener whose rules say no without a reason of their own sends 1000 (GStreamer), 1002 (MediaMTX) or 1003 (libsrt).
            1000 | 1002 | PREDEFINED.. => Refusal::Access,
            _ => Refusal::Other,
        }
    }

    const fn words(self) -> Option<&'static str> {
        Some(match self.0 {
            1000 => "no reason given: the server's own rules, such as an unknown stream id",
            1001 => "a system call failed at the server",
            1002 => "the server gives no details: its own rules, such as an unknown stream id or user",
            1003 => "the server lacks resources, or its rules say no",
            1004 => "the server cannot read the handshake",
            1005 => "busy: the listener's backlog is full",
            1006 | 2500 => "an internal error of the server",
            1007 => "the server is closing",
            1008 => "the server wants a newer version of SRT",
            1009 => "cookies collide in rendezvous",
            1010 => "the passphrase is wrong",
            1011 => "only one side has a passphrase",
            1012 => "the server is set to file mode (message API flags differ)",
            1013 => "the congestion controls differ: live and file",
            1014 => "the packet filters (FEC) differ",
            1015 => "the bonding groups differ",
            1016 => "the server waited too long",
            1017 => "the encryption modes differ: the server wants AES-GCM",
            2000 => "the server's callback was interrupted",
            2001 => "a key in the stream id is not supported",
            2002 => "no such file",
            2003 => "the host in the stream id is not known",
            2400 => "bad request: the server cannot read the stream id",
            2401 => "unauthorized",
            2402 => "the server is overloaded, or a credit is used up",
            2403 => "forbidden",
            2404 => "stream not found",
            2405 => "the mode in the stream id is not allowed for this stream",
            2406 => "not acceptable: the parameters in the stream id cannot be met",
            2409 => "conflict: the stream is in use by another",
            2415 => "the media type in the stream id is not supported",
            2423 => "the stream is locked",
            2424 => "the session in the stream id does not exist",
            2501 => "not implemented by this server",
            2502 => "the server's own source refused it",
            2503 => "down for maintenance",
            2505 => "this version is not supported",
            2507 => "no room left on the server",
            OWN.. => "a code of the server's own",
            _ => return None,
        })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words().unwrap_or("a code that is not known");
        match self.0 {
            // The numbers that documentation uses.
            PREDEFINED..OWN => write!(f, "{words} (SRT_REJX {})", self.0 - INTERNAL),
            code => write!(f, "{words} (code {code})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_in_words() {
        let text = |code| Rejection::of(code).map(|rejection| rejection.to_string());
        assert_eq!(text(1010).as_deref(), Some("the passphrase is wrong (code 1010)"));
        assert_eq!(text(2404).as_deref(), Some("stream not found (SRT_REJX 1404)"));
        assert_eq!(text(1404), text(2404));
        assert_eq!(text(3005).as_deref(), Some("a code of the server's own (code 3005)"));
        assert_eq!(text(1999).as_deref(), Some("a code that is not known (code 1999)"));
        for handshake in [0, 1, 999, u32::MAX, u32::MAX - 2] {
            assert_eq!(text(handshake), None);
        }
    }
}
