//! Rests while media flows: a wake-up costs more than what it reads.

use std::io;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// A timer that wakes once. One of tokio's wakes two or three times on its way to more than 64 ms.
#[derive(Debug)]
pub(crate) struct Rest(Option<Receiver>);

impl Rest {
    /// A timer of the kernel's; without one, one of tokio's.
    pub(crate) fn new() -> Self {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC);
        // To tokio it is like a pipe: eight bytes can be read when the time has come.
        Self(timer.ok().and_then(|timer| Receiver::from_owned_fd_unchecked(timer).ok()))
    }

    /// Sleeps for `time`; the caller has cut it at the deadline.
    pub(crate) async fn sleep(&mut self, time: Duration) {
        let slept = match &self.0 {
            // A time of zero would disarm the timer.
            Some(timer) if !time.is_zero() => by_kernel(timer, time).await.is_ok(),
            _ => false,
        };
        if !slept {
            tokio::time::sleep(time).await;
        }
    }
}

async fn by_kernel(timer: &Receiver, time: Duration) -> io::Result<()> {
    let value = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
    loop {
        timer.readable().await?;
        match timer.try_read(&mut [0; 8]) {
            // The readiness was left of an earlier sleep.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_on;
    use std::time::Instant;

    #[test]
    fn a_rest_lasts_as_long_as_it_was_told_however_the_one_before_ended() {
        block_on(async {
            let mut rest = Rest::new();
            assert!(rest.0.is_some());
            for (millis, given_up) in [(30, false), (20, true), (0, false), (30, false)] {
                let (began, time) = (Instant::now(), Duration::from_millis(millis));
                if given_up {
                    let limit = tokio::time::timeout(Duration::from_millis(1), rest.sleep(time)).await;
                    assert!(limit.is_err());
                    // Its time comes while nobody looks.
                    std::thread::sleep(time);
                } else {
                    rest.sleep(time).await;
                    assert!(began.elapsed() >= time, "{:?} of {time:?}", began.elapsed());
                }
            }
        })
        .unwrap();
    }
}
