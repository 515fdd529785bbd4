//! What the packets carry, in their order: decrypted, and looked into as a transport stream.

use std::time::Duration;

use weir_wire::media::{Container, sniff};
use weir_wire::srt::{Delivery, Key, Keys};
use weir_wire::ts::{Analyzer, Report};

use crate::http_stream::Tap;

/// What is not a transport stream is told from its beginning, bytes.
const HEAD_MAX: usize = 4096;

/// What was in the packets.
#[derive(Debug, Default)]
pub struct Content {
    /// Packets that came encrypted.
    pub encrypted: u64,
    /// Of these, those to which we have no key.
    pub locked: u64,
    /// Packets that came in clear.
    pub clear: u64,
    /// The transport stream, when it is one.
    pub ts: Option<Report>,
    /// What else it is.
    pub container: Option<Container>,
}

/// Reads what is delivered.
pub(super) struct Reader<'a> {
    pub(super) keys: Option<Keys>,
    tap: Option<&'a Tap<'a>>,
    analyzer: Analyzer,
    head: Vec<u8>,
    /// A packet while it is decrypted.
    opened: Vec<u8>,
    content: Content,
}

impl<'a> Reader<'a> {
    pub(super) fn new(keys: Option<Keys>, tap: Option<&'a Tap<'a>>) -> Self {
        Self {
            keys,
            tap,
            analyzer: Analyzer::new(),
            head: Vec::new(),
            opened: Vec::new(),
            content: Content::default(),
        }
    }

    /// Takes a packet in its turn.
    pub(super) fn take(&mut self, packet: &Delivery<'_>, now: Duration) {
        if packet.key == Key::Clear {
            self.content.clear += 1;
            self.look(packet.payload, now);
            return;
        }
        self.content.encrypted += 1;
        let mut opened = std::mem::take(&mut self.opened);
        opened.clear();
        opened.extend_from_slice(packet.payload);
        if self.keys.as_ref().is_some_and(|keys| keys.open(packet.key, packet.sequence, &mut opened)) {
            self.look(&opened, now);
        } else {
            self.content.locked += 1;
        }
        self.opened = opened;
    }

    fn look(&mut self, payload: &[u8], now: Duration) {
        self.head.extend(payload.iter().take(HEAD_MAX - self.head.len()));
        self.analyzer.feed_at(payload, now);
        if let Some(tap) = self.tap {
            (tap.borrow_mut())(payload);
        }
    }

    pub(super) fn finish(self, now: Duration) -> Content {
        let report = self.analyzer.finish_at(now);
        let is_ts = report.packets > 0 && report.packets * 188 > report.junk_bytes;
        let container = (!self.head.is_empty() && !is_ts).then(|| sniff(&self.head));
        Content { ts: is_ts.then_some(report), container, ..self.content }
    }
}
