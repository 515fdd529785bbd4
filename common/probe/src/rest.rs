//! Rests while media flows: a wake-up costs more than what it reads.

use std::io;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// A timer that wakes once, and is set anew only for another time. One of tokio's wakes two or three times on its way to more than
/// 64 ms.
#[derive(Debug)]
pub(crate) struct Rest {
    timer: Option<Receiver>,
    /// The time for which it is set.
    set: Option<Duration>,
}

impl Rest {
    /// A timer of the kernel's; without one, one of tokio's.
    pub(crate) fn new() -> Self {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC);
        // To tokio it is like a pipe: eight bytes can be read when the time has come.
        Self { timer: timer.ok().and_then(|timer| Receiver::from_owned_fd_unchecked(timer).ok()), set: None }
    }

    /// Sleeps until `at`, where it is `now`, both since the start of the check; the caller has cut it at the deadline.
    pub(crate) async fn until(&mut self, at: Duration, now: Duration) {
        let time = at.saturating_sub(now);
        if time.is_zero() {
            return;
        }
        let slept = self.by_kernel(at, time).await;
        if slept.is_err() {
            tokio::time::sleep(time).await;
        }
        self.set = None;
    }

    async fn by_kernel(&mut self, at: Duration, time: Duration) -> io::Result<()> {
        let timer = self.timer.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        if self.set != Some(at) {
            let value =
                Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
            self.set = Some(at);
        }
        loop {
            timer.readable().await?;
            match timer.try_read(&mut [0; 8]) {
                // The readiness was left of an earlier time.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deadline, block_on};

    #[test]
    fn a_rest_lasts_as_long_as_it_was_told_however_the_one_before_ended() {
        block_on(async {
            let clock = Deadline::after(Duration::from_secs(10));
            let mut rest = Rest::new();
            assert!(rest.timer.is_some());
            for (millis, given_up) in [(30, 0), (20, 1), (0, 0), (30, 0), (60, 3), (25, 0)] {
                let now = clock.elapsed();
                let at = now + Duration::from_millis(millis);
                // Given up for something else, and taken up again.
                for _ in 0..given_up {
                    let limit = tokio::time::timeout(Duration::from_millis(1), rest.until(at, now)).await;
                    assert!(limit.is_err());
                }
                if given_up == 1 {
                    // Its time comes while nobody looks.
                    std::thread::sleep(Duration::from_millis(millis));
                    continue;
                }
                rest.until(at, clock.elapsed()).await;
                assert!(clock.elapsed() >= at, "{:?} of {at:?}", clock.elapsed());
            }
        })
        .unwrap();
    }
}
