//! The receiver's books: what has come, what is missing, what to ask for again, when to give it up.
//!
//! A gap in the numbers is noticed when a later packet comes. It is closed by the packet itself, sent again or only late, or given up
//! when the latency has passed: a player then plays on without it. Packets behind a gap wait, so that they are delivered in order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::packet::{Data, Key};
use super::sequence::{ahead, plus};

/// More gaps than this are not kept: the oldest is given up. A flow window of packets of which every eighth is lost.
const GAPS_MAX: usize = 1024;
/// More waiting payload than this is not kept: the oldest gap is given up. 120 ms of 200 Mbit/s.
const WAITING_MAX: usize = 3 << 20;
/// What a waiting packet costs beside its payload, bytes.
const WAITING_COST: usize = 100;
/// So many gaps that were given up are remembered, to tell a late packet from one that comes twice.
const GIVEN_UP_MAX: usize = 64;
/// A first packet further than this from the number that was agreed on counts from another number.
const HEAD_MAX: i32 = 8192;

/// A packet in its turn.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// Its number.
    pub sequence: u32,
    /// With which key it is encrypted.
    pub key: Key,
    /// What it carries.
    pub payload: &'a [u8],
}

/// What came, counted in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Came in time, each once.
    pub received: u64,
    /// Bytes of payload of these.
    pub bytes: u64,
    /// Came marked as sent again, in time or not.
    pub retransmitted: u64,
    /// Were missing and came again in time.
    pub recovered: u64,
    /// Were missing and came by themselves: the way changes their order.
    pub reordered: u64,
    /// Did not come within the latency.
    pub lost: u64,
    /// Of these, came after it.
    pub late: u64,
    /// Came although they had come.
    pub repeated: u64,
}

impl Statistics {
    /// Percent of packets that did not come in time: what a player lacks.
    pub fn loss(&self) -> Option<f64> {
        percent(self.lost, self.received + self.lost)
    }

    /// Percent of packets that did not come at first: what the way loses.
    pub fn first_loss(&self) -> Option<f64> {
        percent(self.recovered + self.lost, self.received + self.lost)
    }

    /// Percent of the packets that came which were sent again.
    pub fn retransmission(&self) -> Option<f64> {
        percent(self.retransmitted, self.received + self.late + self.repeated)
    }
}

/// Two decimals.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * 10_000.0 / whole as f64).round() / 100.0)
}

/// Packets from `first` to before `end` are missing.
#[derive(Clone, Copy, Debug)]
struct Gap {
    first: u64,
    end: u64,
    /// When it is given up.
    until: Duration,
    asked: Option<Duration>,
}

#[derive(Debug)]
struct Waiting {
    key: Key,
    payload: Vec<u8>,
}

/// The books. Packets have a place: a count from the first number, which does not wrap.
#[derive(Debug)]
pub struct Reception {
    /// The number at place 0.
    origin: u32,
    latency: Duration,
    /// The place of the next packet that never came.
    next: u64,
    /// In order, never touching.
    gaps: VecDeque<Gap>,
    waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: usize,
    given_up: VecDeque<(u64, u64)>,
    begun: bool,
    statistics: Statistics,
}

impl Reception {
    /// Books for a sender who has agreed to begin with the number `first`.
    pub fn new(first: u32, latency: Duration) -> Self {
        Self {
            origin: first,
            latency,
            next: 0,
            gaps: VecDeque::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            given_up: VecDeque::new(),
            begun: false,
            statistics: Statistics::default(),
        }
    }

    /// What came so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Packets that are missing now and may still come.
    pub fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.end - gap.first).sum()
    }

    /// The number to acknowledge: that of the first packet that has not come and is not given up.
    pub fn acknowledged(&self) -> u32 {
        self.sequence(self.gaps.front().map_or(self.next, |gap| gap.first))
    }

    /// Takes a packet that came at `now`; `deliver` gets whatever is in its turn. Returns whether it is new.
    pub fn take(&mut self, data: &Data<'_>, now: Duration, mut deliver: impl FnMut(&Delivery<'_>)) -> bool {
        self.expire(now, &mut deliver);
        self.statistics.retransmitted += u64::from(data.retransmitted);
        if !self.begun {
            self.begun = true;
            if !(0..HEAD_MAX).contains(&ahead(self.origin, data.sequence)) {
                self.origin = data.sequence;
            }
        }
        // The place is that of the next packet and the way from there in the circle of numbers.
        let step = i64::from(ahead(self.sequence(self.next), data.sequence));
        let Some(place) = self.next.checked_add_signed(step) else {
            self.statistics.repeated += 1;
            return false;
        };
        if place >= self.next {
            if place > self.next {
                self.gaps.push_back(Gap {
                    first: self.next,
                    end: place,
                    until: now + self.latency,
                    asked: None,
                });
            }
            self.next = place + 1;
        } else if !self.close(place) {
            let late = self.given_up.iter().any(|(first, end)| (*first..*end).contains(&place));
            *if late { &mut self.statistics.late } else { &mut self.statistics.repeated } += 1;
            return false;
        } else if data.retransmitted {
            self.statistics.recovered += 1;
        } else {
            self.statistics.reordered += 1;
        }
        self.statistics.received += 1;
        self.statistics.bytes += data.payload.len() as u64;
        if self.gaps.front().is_none_or(|gap| place < gap.first) && self.waiting.is_empty() {
            deliver(&Delivery { sequence: data.sequence, key: data.key, payload: data.payload });
        } else {
            self.waiting_bytes += data.payload.len() + WAITING_COST;
            self.waiting.insert(place, Waiting { key: data.key, payload: data.payload.to_vec() });
            while self.gaps.len() > GAPS_MAX || self.waiting_bytes > WAITING_MAX {
                self.give_up_first();
                self.deliver_in_turn(&mut deliver);
            }
            self.deliver_in_turn(&mut deliver);
        }
        true
    }

    /// Gives up what is missing for longer than the latency.
    pub fn expire(&mut self, now: Duration, mut deliver: impl FnMut(&Delivery<'_>)) {
        let mut any = false;
        while self.gaps.front().is_some_and(|gap| now > gap.until) {
            self.give_up_first();
            any = true;
        }
        if any {
            self.deliver_in_turn(&mut deliver);
        }
    }

    /// The sender has given up the packets from `first` to `last`; those that never came are lost.
    pub fn drop_range(&mut self, first: u32, last: u32, now: Duration, deliver: impl FnMut(&Delivery<'_>)) {
        let here = self.sequence(self.next);
        let place = |number| self.next.checked_add_signed(i64::from(ahead(here, number)));
        let (Some(first), Some(last)) = (place(first), place(last)) else { return };
        if last < first {
            return;
        }
        // Whole gaps only, and those before them: what is left of a gap that is cut here will be given up in its time.
        for gap in self.gaps.iter_mut().filter(|gap| gap.first >= first && gap.end <= last + 1) {
            gap.until = Duration::ZERO;
        }
        self.expire(now, deliver);
    }

    /// Ranges of first number and count to ask for: those that were not asked for within `interval`. They count as asked for.
    pub fn ask(&mut self, now: Duration, interval: Duration) -> Vec<(u32, u32)> {
        let (origin, mut ranges) = (self.origin, Vec::new());
        for gap in &mut self.gaps {
            if gap.asked.is_none_or(|asked| now.saturating_sub(asked) >= interval) {
                gap.asked = Some(now);
                let count = u32::try_from(gap.end - gap.first).unwrap_or(u32::MAX >> 2);
                ranges.push((number(origin, gap.first), count));
            }
        }
        ranges
    }

    /// When something is to be asked for again or given up.
    pub fn next_event(&self, interval: Duration) -> Option<Duration> {
        let given_up = self.gaps.front().map(|gap| gap.until);
        let asked = self.gaps.iter().map(|gap| gap.asked.map_or(Duration::ZERO, |asked| asked + interval));
        given_up.into_iter().chain(asked).min()
    }

    fn sequence(&self, place: u64) -> u32 {
        number(self.origin, place)
    }

    /// Takes `place` out of its gap; false when it is in none.
    fn close(&mut self, place: u64) -> bool {
        let at = self.gaps.partition_point(|gap| gap.end <= place);
        let Some(gap) = self.gaps.get_mut(at).filter(|gap| gap.first <= place) else { return false };
        let whole = *gap;
        match (place == whole.first, place + 1 == whole.end) {
            (true, true) => _ = self.gaps.remove(at),
            (true, false) => gap.first += 1,
            (false, true) => gap.end -= 1,
            (false, false) => {
                gap.end = place;
                self.gaps.insert(at + 1, Gap { first: place + 1, ..whole });
            }
        }
        true
    }

    fn give_up_first(&mut self) {
        if let Some(gap) = self.gaps.pop_front() {
            self.statistics.lost += gap.end - gap.first;
            if self.given_up.len() == GIVEN_UP_MAX {
                self.given_up.pop_front();
            }
            self.given_up.push_back((gap.first, gap.end));
        } else {
            // Nothing is missing, so nothing need wait.
            self.waiting_bytes = 0;
        }
    }

    fn deliver_in_turn(&mut self, deliver: &mut impl FnMut(&Delivery<'_>)) {
        let until = self.gaps.front().map_or(self.next, |gap| gap.first);
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() < until) {
            let (place, waiting) = entry.remove_entry();
            self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.payload.len() + WAITING_COST);
            let sequence = number(self.origin, place);
            deliver(&Delivery { sequence, key: waiting.key, payload: &waiting.payload });
        }
    }
}

/// The number at a place.
#[allow(clippy::cast_possible_truncation, reason = "numbers are the place modulo 2^31")]
const fn number(origin: u32, place: u64) -> u32 {
    plus(origin, place as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srt::sequence::LAST;
    use proptest::prelude::*;

    const LATENCY: Duration = Duration::from_millis(120);

    fn millis(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    fn packet(sequence: u32, retransmitted: bool) -> Data<'static> {
        Data { sequence, key: Key::Clear, retransmitted, timestamp: 0, destination: 1, payload: &[1; 10] }
    }

    /// Takes packets of (milliseconds, number, sent again) and tells what was delivered.
    fn run(first: u32, packets: &[(u64, u32, bool)]) -> (Reception, Vec<u32>) {
        let (mut books, mut delivered) = (Reception::new(first, LATENCY), Vec::new());
        for (time, sequence, again) in packets {
            books.take(&packet(*sequence, *again), millis(*time), |d| delivered.push(d.sequence));
        }
        (books, delivered)
    }

    #[test]
    fn what_is_missing_is_asked_for_and_delivered_in_its_turn() {
        let (mut books, delivered) = run(LAST, &[(0, LAST, false), (1, 3, false), (2, 4, false)]);
        assert_eq!((delivered, books.acknowledged(), books.missing()), (vec![LAST], 0, 3));
        assert_eq!(books.ask(millis(3), millis(20)), [(0, 3)]);
        assert_eq!(books.ask(millis(22), millis(20)), []);
        let mut delivered = Vec::new();
        books.take(&packet(1, true), millis(22), |d| delivered.push(d.sequence));
        assert_eq!(books.ask(millis(23), millis(20)), [(0, 1), (2, 1)], "again after the interval");
        books.take(&packet(0, true), millis(24), |d| delivered.push(d.sequence));
        books.take(&packet(2, true), millis(25), |d| delivered.push(d.sequence));
        assert_eq!((delivered, books.acknowledged(), books.missing()), (vec![0, 1, 2, 3, 4], 5, 0));
        let seen = books.statistics();
        assert_eq!((seen.received, seen.recovered, seen.lost, seen.bytes), (6, 3, 0, 60));
        assert_eq!(
            (seen.loss(), seen.first_loss(), seen.retransmission()),
            (Some(0.0), Some(50.0), Some(50.0))
        );
    }

    #[test]
    fn what_does_not_come_within_the_latency_is_lost_and_later_only_late() {
        let (mut books, mut delivered) = run(7, &[(0, 7, false), (1, 9, false), (122, 10, false)]);
        assert_eq!((&delivered, books.acknowledged()), (&vec![7, 9, 10], 11));
        assert!(!books.take(&packet(8, true), millis(130), |d| delivered.push(d.sequence)));
        assert!(!books.take(&packet(9, true), millis(131), |d| delivered.push(d.sequence)));
        let seen = books.statistics();
        assert_eq!((delivered.len(), seen.lost, seen.late, seen.repeated), (3, 1, 1, 1));
        assert_eq!((seen.loss(), seen.retransmission()), (Some(25.0), Some(40.0)));
    }

    #[test]
    fn packets_in_another_order_are_no_loss() {
        let (books, delivered) = run(0, &[(0, 0, false), (1, 2, false), (2, 1, false)]);
        assert_eq!((delivered, books.statistics().reordered, books.missing()), (vec![0, 1, 2], 1, 0));
        assert_eq!(books.statistics().first_loss(), Some(0.0));
    }

    #[test]
    fn packets_lost_before_the_first_count_and_another_beginning_does_not() {
        let (books, _) = run(100, &[(0, 103, false)]);
        assert_eq!(books.missing(), 3);
        for other in [100 + 8192, 99, 5_000_000] {
            assert_eq!(run(100, &[(0, other, false)]).0.missing(), 0, "{other}");
        }
    }

    #[test]
    fn what_the_sender_gives_up_is_lost_at_once() {
        let (mut books, mut delivered) = run(0, &[(50, 0, false), (51, 5, false)]);
        books.drop_range(1, 4, millis(52), |d| delivered.push(d.sequence));
        assert_eq!((delivered, books.statistics().lost, books.missing()), (vec![0, 5], 4, 0));
        books.drop_range(0x7000_0000, 3, millis(53), |_| ());
    }

    #[test]
    fn a_sender_that_skips_numbers_for_ever_costs_little() {
        let payload = [0; 1456];
        let (mut books, mut delivered) = (Reception::new(0, Duration::from_mins(1)), 0);
        for step in 0..100_000_u32 {
            let data = Data { payload: &payload, ..packet(step * 3, false) };
            books.take(&data, Duration::ZERO, |_| delivered += 1);
            assert!(books.gaps.len() <= GAPS_MAX && books.waiting_bytes <= WAITING_MAX);
        }
        assert!(books.statistics().lost > 190_000 && delivered > 90_000);
    }

    proptest! {
        #[test]
        fn every_packet_is_delivered_once_and_in_order(packets in proptest::collection::vec((0u64..40, 0u32..400, any::<bool>()), 0..300), first in any::<u32>()) {
            let first = first & LAST;
            let (mut books, mut delivered, mut now) = (Reception::new(first, LATENCY), Vec::new(), 0);
            for (pause, step, again) in packets {
                now += pause;
                books.take(&packet(plus(first, step), again), millis(now), |d| delivered.push(d.sequence));
                let _ = books.ask(millis(now), millis(20));
            }
            books.expire(millis(now + 121), |d| delivered.push(d.sequence));
            let seen = books.statistics();
            prop_assert!(delivered.windows(2).all(|pair| ahead(pair[0], pair[1]) > 0));
            prop_assert_eq!(delivered.len() as u64, seen.received);
            prop_assert_eq!((books.missing(), books.waiting.len(), books.waiting_bytes), (0, 0, 0));
            prop_assert!(seen.received + seen.lost == books.next);
        }
    }
}
