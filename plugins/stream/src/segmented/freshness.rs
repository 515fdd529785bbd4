//! Does a live playlist advance? Told from one look where the playlist allows it, else from several.
//!
//! Three witnesses: the encoder's clock (`EXT-X-PROGRAM-DATE-TIME`), the file's (`Last-Modified`), and a second look. The first
//! can be late for good (an encoder that stamps before ten seconds of transcoding), the second can be made up (servers
//! that write playlists on the fly stamp them with the present), so one of them alone never proves a standstill while
//! there is time for a second look. A playlist is late after 1.5 target durations and stale after 3: RFC 8216 section 6.2.1
//! demands an update within 1.5, players give up between 2 and 3.

use weir_wire::hls::{Edge, Progress};

/// Clocks that differ by less count as one: `Date` has whole seconds only.
const SAME_CLOCK: f64 = 2.0;

/// What one look at a media playlist says about time. All moments are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// When it came, by our clock.
    pub at: f64,
    /// When it came, by the server's clock: `Date` and `Age`.
    pub server: Option<f64>,
    /// `Last-Modified`
    pub modified: Option<f64>,
    /// Where it ends.
    pub edge: Edge,
    /// When its newest media ends: `EXT-X-PROGRAM-DATE-TIME`.
    pub edge_time: Option<f64>,
    /// `EXT-X-TARGETDURATION`, seconds.
    pub target_duration: Option<f64>,
}

/// After how many seconds a playlist is late and stale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// Late.
    pub late: f64,
    /// Stale.
    pub stale: f64,
}

/// What the looks at a playlist prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It changed before our eyes.
    Advanced,
    /// One look shows that it changed a short while ago.
    Recent,
    /// It stands still.
    Standstill,
    /// Nothing yet: another look may tell.
    None,
}

/// From what a lag counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From the end of the newest media, by the dates in the playlist.
    Media,
    /// From when the file was written.
    File,
    /// From when the playlist was last seen to change, or first looked at.
    Change,
}

/// What the looks at a live playlist tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Freshness {
    /// What is proven.
    pub proof: Proof,
    /// Seconds, and from when they count; `None` when nobody can say.
    pub lag: Option<(f64, Since)>,
    /// For how many seconds it was watched without a change.
    pub unchanged: f64,
    /// Segments by which it went back, if it did.
    pub went_back: Option<u64>,
    /// The file had stood for so many seconds before it changed, when that was too long.
    pub slow_update: Option<f64>,
}

impl Look {
    /// Now, for comparison with times that servers and encoders wrote: by the server's clock when ours is another.
    fn now(&self) -> f64 {
        self.server.filter(|server| (server - self.at).abs() > SAME_CLOCK).unwrap_or(self.at)
    }

    /// Seconds since the newest media ended. A time well in the future is no witness.
    fn edge_age(&self) -> Option<f64> {
        let tolerance = self.target_duration.unwrap_or(0.0).max(SAME_CLOCK);
        let age = self.now() - self.edge_time?;
        (age >= -tolerance).then_some(age.max(0.0))
    }

    /// Seconds since the file changed. One that changed in this very second may be made up.
    fn file_age(&self) -> Option<f64> {
        let age = self.server? - self.modified?;
        (age >= 1.0).then_some(age)
    }
}

/// Weighs all `looks`, the first one first.
pub fn assess(looks: &[Look], patience: Patience) -> Freshness {
    let Some(last) = looks.last() else {
        return Freshness {
            proof: Proof::None,
            lag: None,
            unchanged: 0.0,
            went_back: None,
            slow_update: None,
        };
    };
    let mut since = looks[0].at;
    let mut advanced = false;
    let (mut went_back, mut slow_update) = (None, None);
    for pair in looks.windows(2) {
        match pair[1].edge.since(&pair[0].edge) {
            Progress::Same => {}
            Progress::WentBack { segments } => {
                went_back = went_back.or(Some(segments));
                since = pair[1].at;
            }
            Progress::Advanced { .. } => {
                advanced = true;
                since = pair[1].at;
                slow_update = pair[0].file_age().filter(|age| *age > patience.late).or(slow_update);
            }
        }
    }
    let unchanged = last.at - since;
    let (edge, file) = (last.edge_age(), last.file_age());
    let above = |age: Option<f64>, limit: f64| age.is_some_and(|age| age > limit);
    let recent = match (edge, file) {
        (Some(edge), _) if edge <= patience.late => true,
        (Some(edge), Some(file)) => edge <= patience.stale && file <= patience.late,
        (None, Some(file)) => file <= patience.late,
        _ => false,
    };
    let proof = if unchanged > patience.stale
        || (unchanged > patience.late && (edge.is_some() || file.is_some()))
        || (above(edge, patience.stale) && above(file, patience.stale))
    {
        Proof::Standstill
    } else if advanced {
        Proof::Advanced
    } else if recent {
        Proof::Recent
    } else {
        Proof::None
    };
    let (by_media, by_file) = (edge.map(|age| (age, Since::Media)), file.map(|age| (age, Since::File)));
    let watched = (advanced || unchanged > patience.late).then_some((unchanged, Since::Change));
    let lag = match (by_media, by_file) {
        // The deadline came before a proof: the witness that speaks for the playlist counts.
        (Some(media), Some(file)) if proof == Proof::None && file.0 < media.0 => Some(file),
        _ => by_media.or(by_file).or(watched),
    };
    Freshness { proof, lag, unchanged, went_back, slow_update }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_wire::hls::Edge;

    const PATIENCE: Patience = Patience { late: 3.0, stale: 6.0 };
    const NOW: f64 = 1_795_234_860.5;

    fn look(after: f64, next_sequence: u64, edge_age: Option<f64>, file_age: Option<f64>) -> Look {
        let at = NOW + after;
        Look {
            at,
            server: Some(at.floor()),
            modified: file_age.map(|age| (at - age).floor()),
            edge: Edge { next_sequence, parts: 0, last_uri: Some(format!("{next_sequence}.ts")) },
            edge_time: edge_age.map(|age| at - age),
            target_duration: Some(2.0),
        }
    }

    fn proof(looks: &[Look]) -> Proof {
        assess(looks, PATIENCE).proof
    }

    #[test]
    fn one_look_is_enough_when_the_playlist_says_when() {
        assert_eq!(proof(&[look(0.0, 9, Some(1.2), None)]), Proof::Recent);
        assert_eq!(proof(&[look(0.0, 9, None, Some(2.0))]), Proof::Recent);
        assert_eq!(proof(&[look(0.0, 9, Some(20.0), Some(20.0))]), Proof::Standstill);
        assert_eq!(
            assess(&[look(0.0, 9, Some(20.0), Some(20.0))], PATIENCE).lag.map(|l| l.0.round()),
            Some(20.0)
        );
    }

    #[test]
    fn one_witness_alone_proves_no_standstill() {
        for (edge, file) in [
            (Some(20.0), None),
            (None, Some(20.0)),
            (None, None),
            (Some(20.0), Some(0.0)),
            (Some(20.0), Some(2.0)),
        ] {
            assert_eq!(proof(&[look(0.0, 9, edge, file)]), Proof::None, "{edge:?} {file:?}");
            // It changes: an encoder that is late for good, or a server that makes up file times.
            assert_eq!(proof(&[look(0.0, 9, edge, file), look(1.0, 10, edge, file)]), Proof::Advanced);
        }
        let stuck = [look(0.0, 9, Some(20.0), None), look(3.1, 9, Some(23.1), None)];
        assert_eq!(proof(&stuck), Proof::Standstill);
    }

    #[test]
    fn without_any_witness_only_patience_tells() {
        let watched = |seconds| [look(0.0, 9, None, None), look(seconds, 9, None, None)];
        assert_eq!((proof(&watched(2.0)), assess(&watched(2.0), PATIENCE).lag), (Proof::None, None));
        assert_eq!(assess(&watched(4.0), PATIENCE).lag, Some((4.0, Since::Change)));
        assert_eq!(proof(&watched(6.5)), Proof::Standstill);
    }

    #[test]
    fn a_file_of_this_very_second_may_be_made_up() {
        assert_eq!(proof(&[look(0.0, 9, None, Some(0.2))]), Proof::None);
    }

    #[test]
    fn our_clock_may_be_wrong_and_the_servers_then_counts() {
        let mut slow = look(0.0, 9, Some(1.0), None);
        slow.at -= 300.0;
        assert_eq!(proof(&[slow]), Proof::Recent);
        // The encoder's clock is five minutes ahead: no witness.
        assert_eq!(proof(&[look(0.0, 9, Some(-300.0), None)]), Proof::None);
    }

    #[test]
    fn going_back_and_slow_updates_are_seen() {
        let looks = [look(0.0, 9, None, None), look(1.0, 4, None, None)];
        assert_eq!(assess(&looks, PATIENCE).went_back, Some(5));
        let looks = [look(0.0, 9, Some(9.0), Some(5.0)), look(1.0, 10, Some(0.5), Some(0.0))];
        let seen = assess(&looks, PATIENCE);
        assert_eq!((seen.proof, seen.slow_update.map(f64::round)), (Proof::Advanced, Some(5.0)));
    }
}
