//! Probes spread over the time between two fetches, as `SmokePing` spreads them: a plugin run has seconds only, so a process of its
//! own sends one probe after the other and keeps those of the last `spread` seconds in a file, from which every fetch draws.
//!
//! One process gathers for one set of options and user: it holds a lock. A fetch starts it when nobody holds the lock; it ends by
//! itself when three spreads have passed without a fetch, or when its program was replaced. A fetch takes nothing away, so that a
//! run by hand leaves no hole in the graph.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use weir_contract::{Problem, fault};
use weir_probe::state::StateFile;

use crate::series::Series;

/// Samples that are kept at most, of all targets together.
const SAMPLES_MAX: usize = 50_000;
/// Spreads without a fetch after which the gathering ends.
const FORGOTTEN: u32 = 3;

/// One probe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) host: String,
    pub(crate) address: IpAddr,
    /// `None` was lost.
    pub(crate) rtt: Option<Duration>,
    /// How it was measured, in words.
    pub(crate) way: String,
}

/// What is gathered, and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Gathering {
    /// Over which time a fetch draws.
    pub(crate) spread: Duration,
    /// The time between two probes.
    pub(crate) every: Duration,
    ring: StateFile,
}

impl Gathering {
    /// The gathering for these options; `folder` is that of Munin's state, else one of the user's own.
    pub(crate) fn new(
        spread: Duration,
        count: u16,
        options: &str,
        folder: Option<PathBuf>,
    ) -> std::io::Result<Self> {
        let target = format!("{options} spread {}", spread.as_secs_f64());
        let ring = match folder {
            Some(folder) => StateFile::in_folder(&folder, "latency_", &target),
            None => StateFile::of_user("latency_", &target)?,
        };
        Ok(Self { spread, every: spread / u32::from(count.max(1)), ring })
    }

    /// Tells the process that somebody still asks; starts it as `program acquire` when there is none.
    ///
    /// # Errors
    /// E-PERMISSION or E-NO-DATA when there is no place for its file, or it cannot be started.
    pub(crate) fn keep_going(&self, program: &str) -> Result<(), Problem> {
        let failed = |error: std::io::Error| {
            let path = self.ring.path().display();
            let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            let fault = if denied { &fault::PERMISSION } else { &fault::NO_DATA };
            Problem::new(fault, format!("probes cannot be gathered beside {path}: {error}"))
        };
        let lock = self.open_lock().map_err(failed)?;
        lock.set_modified(SystemTime::now()).map_err(failed)?;
        if lock.try_lock().is_err() {
            return Ok(());
        }
        drop(lock);
        let mut child = Command::new("/proc/self/exe");
        child.arg0(program).arg("acquire").current_dir("/");
        // The node waits for the end of whoever holds its pipes.
        child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        child.spawn().map(drop).map_err(failed)
    }

    /// What was gathered within the last spread; empty while that is less than half of it.
    pub(crate) fn gathered(&self) -> Vec<Sample> {
        let mut samples = read(&self.ring.load().unwrap_or_default());
        let now = now();
        self.trim(&mut samples, now);
        let oldest = samples.first().map_or(0, |first| now.saturating_sub(first.at));
        if u128::from(oldest) * 2 < self.spread.as_millis() { Vec::new() } else { samples }
    }

    /// Gathers until nobody asks any more: `look` sends one probe to every target.
    ///
    /// # Errors
    /// E-NO-DATA when there is no place for the file.
    pub(crate) fn run(&self, mut look: impl FnMut(u64) -> Vec<Sample>) -> Result<(), Problem> {
        let failed = |error: std::io::Error| Problem::new(&fault::NO_DATA, error.to_string());
        let lock = self.open_lock().map_err(failed)?;
        if lock.try_lock().is_err() {
            return Ok(()); // somebody else gathers
        }
        // The node ends what is left of a plugin's session.
        let _ = rustix::process::setsid();
        let mut samples = read(&self.ring.load().unwrap_or_default());
        let began = Instant::now();
        let mut tick: u32 = 0;
        while !self.forgotten(&lock) && !replaced() {
            let at = now();
            samples.extend(look(at));
            self.trim(&mut samples, at);
            self.ring.save(&write(&samples)).map_err(failed)?;
            // A machine that slept does not make up for it.
            while began + self.every * tick <= Instant::now() {
                tick = tick.saturating_add(1);
            }
            std::thread::sleep((began + self.every * tick).saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    /// Its date is that of the last fetch.
    fn open_lock(&self) -> std::io::Result<File> {
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let path = self.ring.path().with_extension("lock");
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)
    }

    fn forgotten(&self, lock: &File) -> bool {
        let asked = lock.metadata().and_then(|meta| meta.modified());
        let ago = asked.ok().and_then(|asked| SystemTime::now().duration_since(asked).ok());
        ago.is_some_and(|ago| ago > self.spread * FORGOTTEN)
    }

    fn trim(&self, samples: &mut Vec<Sample>, now: u64) {
        let spread = u64::try_from(self.spread.as_millis()).unwrap_or(u64::MAX);
        samples.retain(|sample| sample.at <= now && now - sample.at <= spread);
        samples.drain(..samples.len().saturating_sub(SAMPLES_MAX));
    }
}

/// Whether a newer program has taken the place of this one.
fn replaced() -> bool {
    std::fs::read_link("/proc/self/exe").is_ok_and(|exe| exe.to_string_lossy().ends_with(" (deleted)"))
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Reads what was saved; what is not understood is forgotten.
fn read(text: &str) -> Vec<Sample> {
    let sample = |line: &str| {
        let mut words = line.splitn(5, ' ');
        let at = words.next()?.parse().ok()?;
        let host = words.next()?.to_owned();
        let address = words.next()?.parse().ok()?;
        let rtt = match words.next()? {
            "-" => None,
            micros => Some(Duration::from_micros(micros.parse().ok()?)),
        };
        Some(Sample { at, host, address, rtt, way: words.next()?.to_owned() })
    };
    text.lines().filter_map(sample).take(SAMPLES_MAX).collect()
}

fn write(samples: &[Sample]) -> String {
    let mut out = String::new();
    for Sample { at, host, address, rtt, way } in samples {
        let rtt = rtt.map_or_else(|| "-".to_owned(), |rtt| rtt.as_micros().to_string());
        let _ = writeln!(out, "{at} {host} {address} {rtt} {way}");
    }
    out
}

/// The series of each target in the order of their first probes. Unless every address of a name counts for itself, a name whose
/// address has changed is still one target.
pub(crate) fn series(samples: &[Sample], each_address: bool) -> Vec<(String, IpAddr, String, Series)> {
    let mut all: Vec<(String, IpAddr, String, Series)> = Vec::new();
    for sample in samples {
        let same = |one: &&mut (String, IpAddr, String, Series)| {
            one.0 == sample.host && (!each_address || one.1 == sample.address)
        };
        if let Some((_, address, way, series)) = all.iter_mut().find(same) {
            (*address, *way) = (sample.address, sample.way.clone());
            series.rtts.push(sample.rtt);
        } else {
            let series = Series { rtts: vec![sample.rtt] };
            all.push((sample.host.clone(), sample.address, sample.way.clone(), series));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(at: u64, host: &str, address: &str, rtt: Option<u64>) -> Sample {
        let address = address.parse().expect("ip");
        Sample {
            at,
            host: host.to_owned(),
            address,
            rtt: rtt.map(Duration::from_millis),
            way: "ICMP".to_owned(),
        }
    }

    #[test]
    fn what_is_gathered_reads_back_and_makes_series() {
        let samples = [
            sample(1, "gw", "198.51.100.1", Some(10)),
            sample(1, "live", "203.0.113.1", Some(20)),
            sample(2, "gw", "198.51.100.1", None),
            sample(2, "live", "203.0.113.2", Some(30)),
        ];
        assert_eq!(read(&write(&samples)), samples);
        let names = |each| {
            let all = series(&samples, each);
            all.iter().map(|(host, _, _, series)| (host.clone(), series.rtts.len())).collect::<Vec<_>>()
        };
        assert_eq!(names(false), [("gw".to_owned(), 2), ("live".to_owned(), 2)]);
        assert_eq!(names(true), [("gw".to_owned(), 2), ("live".to_owned(), 1), ("live".to_owned(), 1)]);
        assert_eq!(series(&samples, false)[0].3.loss(), Some(50.0));
    }

    #[test]
    fn one_gathers_and_ends_when_nobody_asks() {
        let folder = std::env::temp_dir().join(format!("weir-gather-test-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder");
        let spread = Duration::from_millis(400);
        let gathering = Gathering::new(spread, 20, "-H gw", Some(folder.clone())).expect("a place");
        let mut other = None;
        let began = Instant::now();
        gathering
            .run(|at| {
                // A second one finds the lock taken and ends at once, without a probe.
                other.get_or_insert_with(|| gathering.run(|_| unreachable!("it must not look")).is_ok());
                vec![sample(at, "gw", "198.51.100.1", Some(1))]
            })
            .expect("it ends by itself");
        assert_eq!(other, Some(true));
        assert!(began.elapsed() >= spread * 3, "it ended before it was forgotten");
        let kept = read(&gathering.ring.load().expect("a ring"));
        assert!((1..=21).contains(&kept.len()), "only the last spread is kept: {}", kept.len());
        std::fs::remove_dir_all(folder).expect("removed");
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in "(?s).{0,200}") {
            let samples = read(&text);
            prop_assert_eq!(read(&write(&samples)), samples);
        }
    }
}
