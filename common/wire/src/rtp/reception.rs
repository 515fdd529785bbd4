//! What was received of one RTP stream: loss, reordering, duplicates, jitter and gaps (RFC 3550 appendices A.1, A.3, A.8).
//!
//! Differences from the RFC, because this measures one stream for seconds instead of joining a conference: the first
//! packet counts at once instead of after a probation, duplicates are told from late packets by a window, and a sender
//! that restarts (new SSRC, or a jump of its sequence numbers) does not erase what was counted before.

use std::time::Duration;

use super::Packet;

/// A jump forward of so many packets is a restart and not a loss (RFC 3550 appendix A.1).
const MAX_DROPOUT: i64 = 3000;
/// A packet so late is a stray one (RFC 3550 appendix A.1). Must fit into the window.
const MAX_MISORDER: i64 = 100;

/// Counts the packets of one track. Memory is constant.
#[derive(Debug, Clone, Default)]
pub struct Reception {
    clock_rate: Option<u32>,
    /// First sequence number of the present run, if it is known before or after the fact.
    announced: Option<u16>,
    run: Option<Run>,
    /// A packet that does not fit the run; if the next one follows it, the sender has restarted.
    candidate: Option<Arrival>,
    /// What the runs before the present one expected and got.
    finished: Tally,
    counts: Counts,
    /// In clock units.
    jitter: f64,
}

/// What is kept of a packet.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload: u64,
    at: Duration,
}

/// What needs no knowledge of sequence numbers, or no run.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    bytes: u64,
    duplicates: u64,
    reordered: u64,
    stray: u64,
    ssrc_changes: u64,
    restarts: u64,
    first_arrival: Option<Duration>,
    last_arrival: Option<Duration>,
    longest_gap: Duration,
}

/// What a [`Reception`] has counted. Durations are on the caller's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Who sends now.
    pub ssrc: Option<u32>,
    /// Highest sequence number of the present sender; the bits above 16 count how often it wrapped.
    pub extended_max: Option<i64>,
    /// Packets that arrived, duplicates included, strays not.
    pub received: u64,
    /// Packets that should have arrived, by their sequence numbers.
    pub expected: u64,
    /// `expected - received` as RFC 3550 counts it: negative when duplicates outnumber losses.
    pub lost: i64,
    /// Packets that never came, whatever else came twice. This is what a player lacks.
    pub missing: u64,
    /// Packets before the first one that came, by the number announced in RTP-Info; not in `expected` or `missing`.
    pub head_missing: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets of another sender or far out of sequence that nothing followed.
    pub stray: u64,
    /// New senders taking over.
    pub ssrc_changes: u64,
    /// Jumps of the sequence numbers by one sender.
    pub restarts: u64,
    /// Interarrival jitter; unknown without a clock rate.
    pub jitter: Option<Duration>,
    /// Payload bytes, each once.
    pub bytes: u64,
    /// When the first packet with a payload came.
    pub first_arrival: Option<Duration>,
    /// When the latest packet came that brought something new.
    pub last_arrival: Option<Duration>,
    /// Longest time between two such packets, or since the latest one.
    pub longest_gap: Duration,
}

impl Reception {
    /// `clock_rate`: ticks a second of the timestamps (see [`crate::sdp::Media::clock_rate`]).
    pub fn new(clock_rate: Option<u32>) -> Self {
        Self { clock_rate: clock_rate.filter(|&rate| rate > 0), ..Self::default() }
    }

    /// Takes note of the first sequence number in RTP-Info, before or after the first packet: the answer to PLAY may
    /// come behind it. A number that lies after the first packet, or far before it, is ignored.
    pub fn announce(&mut self, first_sequence: Option<u16>) {
        if self.counts.restarts + self.counts.ssrc_changes == 0 {
            self.announced = first_sequence;
        }
    }

    /// Counts a packet that arrived at `at`, on any clock that never goes back.
    pub fn record(&mut self, packet: &Packet<'_>, at: Duration) {
        let arrival = Arrival {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            payload: packet.payload.len() as u64,
            at,
        };
        if self.run.as_ref().is_none_or(|run| run.fits(&arrival)) {
            self.candidate = None;
            self.accept(&arrival);
        } else if let Some(first) = self.candidate.take().filter(|first| first.is_followed_by(&arrival)) {
            self.counts.stray -= 1;
            self.end_run(arrival.ssrc);
            self.accept(&first);
            self.accept(&arrival);
        } else {
            self.counts.stray += 1;
            self.candidate = Some(arrival);
        }
    }

    fn accept(&mut self, arrival: &Arrival) {
        let run = self.run.get_or_insert_with(|| Run::starting_with(arrival));
        let counts = &mut self.counts;
        match run.insert(arrival.sequence) {
            Place::Next => {}
            Place::Late => counts.reordered += 1,
            Place::Duplicate => {
                counts.duplicates += 1;
                return;
            }
        }
        // What only keeps the path open (RFC 6263, section 4) is no media, and neither is what came before.
        if arrival.payload == 0 {
            return;
        }
        counts.bytes += arrival.payload;
        counts.first_arrival.get_or_insert(arrival.at);
        counts.longest_gap = counts.longest_gap_at(arrival.at);
        counts.last_arrival = Some(arrival.at);
        if let Some(rate) = self.clock_rate {
            // RFC 3550 appendix A.8, with the arrival in clock units modulo 2^32 as timestamps are.
            let transit = clock_units(arrival.at, rate).wrapping_sub(arrival.timestamp);
            if let Some(before) = run.transit.replace(transit) {
                let difference = transit.wrapping_sub(before);
                let difference = difference.min(difference.wrapping_neg());
                self.jitter += (f64::from(difference) - self.jitter) / 16.0;
            }
        }
    }

    fn end_run(&mut self, next_ssrc: u32) {
        let Some(run) = self.run.take() else { return };
        if run.ssrc == next_ssrc {
            self.counts.restarts += 1;
        } else {
            self.counts.ssrc_changes += 1;
        }
        self.finished = self.finished.plus(run.tally(self.announced.take()));
    }

    /// When the first packet with a payload came.
    pub fn first_arrival(&self) -> Option<Duration> {
        self.counts.first_arrival
    }

    /// What was counted until `now`, on the clock of [`record`](Self::record).
    pub fn statistics(&self, now: Duration) -> Statistics {
        let Counts { bytes, duplicates, reordered, stray, ssrc_changes, restarts, .. } = self.counts;
        let tally =
            self.run.as_ref().map(|run| run.tally(self.announced)).unwrap_or_default().plus(self.finished);
        Statistics {
            ssrc: self.run.as_ref().map(|run| run.ssrc),
            extended_max: self.run.as_ref().map(|run| run.max),
            received: tally.received,
            expected: tally.expected,
            lost: tally.expected.cast_signed() - tally.received.cast_signed(),
            missing: tally.expected.saturating_sub(tally.unique),
            head_missing: tally.head_missing,
            duplicates,
            reordered,
            stray,
            ssrc_changes,
            restarts,
            jitter: self
                .clock_rate
                .and_then(|r| Duration::try_from_secs_f64(self.jitter / f64::from(r)).ok()),
            bytes,
            first_arrival: self.counts.first_arrival,
            last_arrival: self.counts.last_arrival,
            longest_gap: self.counts.longest_gap_at(now),
        }
    }
}

impl Counts {
    fn longest_gap_at(&self, now: Duration) -> Duration {
        let present = self.last_arrival.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.longest_gap.max(present)
    }
}

impl Arrival {
    fn is_followed_by(&self, next: &Self) -> bool {
        (self.ssrc, self.sequence.wrapping_add(1)) == (next.ssrc, next.sequence)
    }
}

/// Packets that belong together: one sender, no restart.
#[derive(Debug, Clone)]
struct Run {
    ssrc: u32,
    /// Lowest and highest sequence number, extended: wrapped numbers go on.
    base: i64,
    max: i64,
    /// Bit n: `max - n` was received.
    window: u128,
    received: u64,
    unique: u64,
    /// Arrival minus timestamp of the latest packet, in clock units.
    transit: Option<u32>,
}

/// Where a packet stands in its run.
enum Place {
    Next,
    Late,
    Duplicate,
}

impl Run {
    fn starting_with(first: &Arrival) -> Self {
        let before = i64::from(first.sequence) - 1;
        Self {
            ssrc: first.ssrc,
            base: before + 1,
            max: before,
            window: 0,
            received: 0,
            unique: 0,
            transit: None,
        }
    }

    fn fits(&self, arrival: &Arrival) -> bool {
        let offset = self.offset(arrival.sequence);
        self.ssrc == arrival.ssrc && -MAX_MISORDER < offset && offset < MAX_DROPOUT
    }

    /// How far a sequence number is ahead of the highest one: -32768 to 32767.
    fn offset(&self, sequence: u16) -> i64 {
        (i64::from(sequence) - self.max + 0x8000).rem_euclid(0x1_0000) - 0x8000
    }

    /// Counts a packet that fits.
    fn insert(&mut self, sequence: u16) -> Place {
        let offset = self.offset(sequence);
        self.received += 1;
        if let Some(bit) = u32::try_from(-offset).ok().and_then(|back| 1_u128.checked_shl(back)) {
            if self.window & bit != 0 {
                return Place::Duplicate;
            }
            self.window |= bit;
            self.unique += 1;
            self.base = self.base.min(self.max + offset);
            return Place::Late;
        }
        let shift = u32::try_from(offset).unwrap_or(u32::MAX);
        self.window = self.window.checked_shl(shift).unwrap_or_default() | 1;
        self.max += offset;
        self.unique += 1;
        Place::Next
    }

    fn tally(&self, announced: Option<u16>) -> Tally {
        // Between the announced number and the first one that came, modulo 2^16 as both are.
        let head = announced.map_or(0, |announced| (self.base - i64::from(announced)).rem_euclid(0x1_0000));
        Tally {
            expected: (self.max - self.base + 1).cast_unsigned(),
            received: self.received,
            unique: self.unique,
            head_missing: if head < MAX_DROPOUT { head.cast_unsigned() } else { 0 },
        }
    }
}

/// Expected and received packets.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    expected: u64,
    received: u64,
    unique: u64,
    head_missing: u64,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            received: self.received + other.received,
            unique: self.unique + other.unique,
            head_missing: self.head_missing + other.head_missing,
        }
    }
}

/// A time in ticks, modulo 2^32.
fn clock_units(time: Duration, rate: u32) -> u32 {
    let ticks = time.as_nanos() * u128::from(rate) / 1_000_000_000;
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or_default()
}
