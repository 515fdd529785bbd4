//! The handle that every probe function takes: deadline, options, trace.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "http")]
use std::time::Instant;

use weir_contract::{Fault, Outcome, Phase, Problem, fault};

use crate::Deadline;
use crate::resolve::Resolver;
use crate::trace::Trace;

/// Which addresses of a name count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both, IPv4 first.
    #[default]
    Any,
    /// `-4`
    V4,
    /// `-6`
    V6,
}

/// What a check's options say about the network.
#[derive(Clone, Debug, Default)]
pub struct NetOptions {
    /// Which addresses of a name count.
    pub family: Family,
    /// A bundle of certificates in PEM instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether to record a transcript.
    pub transcript: bool,
    /// Where the first host that is asked for shall be, whatever its name or address says.
    pub connect_to: Option<ConnectTo>,
}

/// An address, and a port if that is another one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// The address.
    pub ip: IpAddr,
    /// The port instead of the target's.
    pub port: Option<u16>,
}

impl FromStr for ConnectTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { ip: address.ip(), port: Some(address.port()) });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let ip = bare.parse().map_err(|_| "use 192.0.2.7, 192.0.2.7:8080, [2001:db8::7]:80".to_owned())?;
        Ok(Self { ip, port: None })
    }
}

/// What one run may use, and what it leaves behind. [`fork`](Self::fork) gives a second one that shares the deadline, the
/// resolver and the TLS configuration, with a trace of its own.
#[derive(Debug)]
pub struct Probe {
    /// The one deadline.
    pub deadline: Deadline,
    /// The options.
    pub options: Rc<NetOptions>,
    /// A connection attempt ends here when another address is waiting for its turn.
    pub(crate) connect_limit: Option<Duration>,
    trace: RefCell<Trace>,
    pub(crate) shared: Rc<Shared>,
}

/// Built at first use, once a process: a literal address needs no resolver, a plain URL no certificates.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) resolver: OnceCell<Resolver>,
    /// The first host and port that were asked for: those of the target.
    pub(crate) target: OnceCell<(String, u16)>,
    pub(crate) tls: OnceCell<Arc<rustls::ClientConfig>>,
}

impl Probe {
    /// A probe whose time begins now.
    pub fn new(timeout: Duration, options: NetOptions) -> Self {
        Self {
            deadline: Deadline::after(timeout),
            options: Rc::new(options),
            connect_limit: None,
            trace: RefCell::default(),
            shared: Rc::default(),
        }
    }

    /// The same deadline and options, an empty trace.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            deadline: self.deadline,
            options: Rc::clone(&self.options),
            connect_limit: self.connect_limit,
            trace: RefCell::default(),
            shared: Rc::clone(&self.shared),
        }
    }

    /// A [`fork`](Self::fork) whose deadline comes after `limit`, when that is sooner: what follows it needs time too.
    #[must_use]
    pub fn fork_within(&self, limit: Duration) -> Self {
        Self { deadline: self.deadline.within(limit), ..self.fork() }
    }

    /// Waits, at most until the deadline.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time.min(self.deadline.remaining())).await;
    }

    /// Runs one named stage of a probe: times it, and ends it when the deadline comes with `timeout`, a fault whose code ends in
    /// `-TIMEOUT` (or one that says what silence means at this stage).
    ///
    /// # Errors
    /// That of `work`, or the timeout.
    pub async fn stage<T>(
        &self,
        name: &'static str,
        timeout: &'static Fault,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let began = self.deadline.elapsed();
        let phase = self.trace.borrow_mut().begin(name, began);
        let result = tokio::time::timeout_at(self.deadline.instant().into(), work).await;
        let now = self.deadline.elapsed();
        self.trace.borrow_mut().end(phase, now);
        result.unwrap_or_else(|_| {
            let (total, stage) =
                (self.deadline.timeout().as_secs_f64(), now.saturating_sub(began).as_secs_f64());
            Err(Problem::new(
                timeout,
                format!("deadline of {total:.1} s reached in stage {name}, after {stage:.1} s in it"),
            ))
        })
    }

    /// Records what was sent, when a transcript is wanted.
    pub fn sent(&self, text: &str) {
        self.record("C:", text);
    }

    /// Records what was received, when a transcript is wanted.
    pub fn received(&self, text: &str) {
        self.record("S:", text);
    }

    /// Records a remark, when a transcript is wanted.
    pub fn note(&self, text: &str) {
        self.record("*", text);
    }

    fn record(&self, who: &str, text: &str) {
        if self.options.transcript {
            self.trace.borrow_mut().record(&self.deadline, who, text);
        }
    }

    /// How long a phase of this name took in all; `None` when there was none.
    pub fn phase(&self, name: &str) -> Option<Duration> {
        let trace = self.trace.borrow();
        let mut phases = trace.phases.iter().filter(|p| p.name == name).map(|p| p.took).peekable();
        phases.peek()?;
        Some(phases.sum())
    }

    /// Records a phase that something else has timed.
    #[cfg(feature = "http")]
    pub(crate) fn add_phase(&self, name: &'static str, began: Instant, ended: Instant) {
        let mut trace = self.trace.borrow_mut();
        let phase = trace.begin(name, self.deadline.since_start(began));
        trace.end(phase, self.deadline.since_start(ended));
    }

    /// Moves phases and transcript to the end of those of `outcome`.
    pub fn finish(self, outcome: &mut Outcome) {
        let trace = self.trace.into_inner();
        outcome.phases.extend(trace.phases);
        outcome.transcript.extend(trace.transcript);
    }

    /// Moves phases and transcript of a [`fork`](Self::fork) to the end of those of this one.
    pub(crate) fn adopt(&self, fork: Self) {
        let (mut own, trace) = (self.trace.borrow_mut(), fork.trace.into_inner());
        own.phases.extend(trace.phases);
        own.transcript.extend(trace.transcript);
    }

    /// The phases so far.
    pub fn phases(&self) -> Vec<Phase> {
        self.trace.borrow().phases.clone()
    }
}

/// Runs a probe on a runtime of this thread only: it costs 0.03 ms, one with threads 0.3 ms.
///
/// # Errors
/// E-INTERNAL when the system gives no event queue.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    match runtime {
        Ok(runtime) => Ok(runtime.block_on(work)),
        Err(error) => Err(Problem::new(&fault::INTERNAL, format!("no event queue: {error}"))),
    }
}

/// Runs many pieces of work on this thread, at most `limit` at a time; the results are in the order of the work.
pub async fn together<F: Future>(limit: usize, work: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    use futures_util::StreamExt;
    let work = work.into_iter();
    let several = limit > 1 && work.size_hint().1 != Some(1);
    let _company = several.then(Company::new);
    futures_util::stream::iter(work).buffered(limit.max(1)).collect().await
}

thread_local! {
    static COMPANIES: Cell<usize> = const { Cell::new(0) };
}

/// While it lives, several probes take turns on this thread.
struct Company;

impl Company {
    fn new() -> Self {
        COMPANIES.set(COMPANIES.get() + 1);
        Self
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        COMPANIES.set(COMPANIES.get() - 1);
    }
}

/// Whether one probe has this thread for itself: it may then sleep in the kernel, and the runtime need not wake it.
pub(crate) fn alone() -> bool {
    COMPANIES.get() == 0
}

/// A text that a server cannot guess, for Digest's `cnonce`: the randomness of a fresh hash map's keys.
pub(crate) fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
