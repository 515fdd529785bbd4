//! Rests while media flows: a wake-up costs more than what it reads.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

use crate::Deadline;
use crate::run::alone;

/// Sleeps until a time of the check; kept for all the sleeps of a loop.
#[derive(Debug)]
pub(crate) struct Rest {
    clock: Deadline,
    /// A timer that wakes once, and is set anew only for another time. One of tokio's wakes two or three times on its way to more
    /// than 64 ms.
    timer: Option<Receiver>,
    /// The time for which it is set.
    set: Option<Duration>,
}

impl Rest {
    /// For the times of `clock`.
    pub(crate) const fn new(clock: Deadline) -> Self {
        Self { clock, timer: None, set: None }
    }

    /// Sleeps until `socket` wakes its reader or it is `at`, and returns true; returns false at once where other probes take turns on
    /// this thread. What the runtime does for a wake-up costs as much as all the rest of it.
    pub(crate) fn alone_on(&self, socket: BorrowedFd<'_>, at: Duration) -> bool {
        if !alone() {
            return false;
        }
        let limit = timespec(at.saturating_sub(self.clock.elapsed()));
        // A signal ends it too: the reader finds nothing then.
        let _ = poll(&mut [PollFd::from_borrowed_fd(socket, PollFlags::IN)], Some(&limit));
        true
    }

    /// Sleeps until `at`; the caller has cut it at the deadline.
    pub(crate) async fn until(&mut self, at: Duration) {
        let time = at.saturating_sub(self.clock.elapsed());
        if time.is_zero() {
            return;
        }
        let slept = self.by_kernel(at, time).await;
        if slept.is_err() {
            tokio::time::sleep(time).await;
        }
        self.set = None;
    }

    /// Sleeps until `at`, whatever comes.
    pub(crate) async fn sleep(&mut self, at: Duration) {
        if alone() {
            std::thread::sleep(at.saturating_sub(self.clock.elapsed()));
        } else {
            self.until(at).await;
        }
    }

    async fn by_kernel(&mut self, at: Duration, time: Duration) -> io::Result<()> {
        let timer = match &self.timer {
            Some(timer) => timer,
            None => self.timer.insert(timer()?),
        };
        if self.set != Some(at) {
            let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(time) };
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

fn timer() -> io::Result<Receiver> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    // To tokio it is like a pipe: eight bytes can be read when the time has come.
    Receiver::from_owned_fd_unchecked(timer)
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::block_on;

    #[test]
    fn a_rest_lasts_as_long_as_it_was_told_however_the_one_before_ended() {
        block_on(async {
            let clock = Deadline::after(Duration::from_secs(10));
            let mut rest = Rest::new(clock);
            for (millis, given_up) in [(30, 0), (20, 1), (0, 0), (30, 0), (60, 3), (25, 0)] {
                let now = clock.elapsed();
                let at = now + Duration::from_millis(millis);
                // Given up for something else, and taken up again.
                for _ in 0..given_up {
                    let limit = tokio::time::timeout(Duration::from_millis(1), rest.until(at)).await;
                    assert!(limit.is_err());
                }
                if given_up == 1 {
                    // Its time comes while nobody looks.
                    std::thread::sleep(Duration::from_millis(millis));
                    continue;
                }
                rest.until(at).await;
                assert!(rest.timer.is_some());
                assert!(clock.elapsed() >= at, "{:?} of {at:?}", clock.elapsed());
            }
        })
        .unwrap();
    }

    #[test]
    fn one_that_is_alone_sleeps_in_the_kernel_and_others_take_turns() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let clock = Deadline::after(Duration::from_secs(10));
        let millis = Duration::from_millis;
        let rest = Rest::new(clock);
        let at = clock.elapsed() + millis(30);
        assert!(rest.alone_on(socket.as_fd(), at) && clock.elapsed() >= at);
        socket.send_to(b"x", socket.local_addr().expect("an address")).expect("sent");
        assert!(rest.alone_on(socket.as_fd(), millis(9000)) && clock.elapsed() < millis(5000));
        let began = clock.elapsed();
        let sleeps = [(); 20].map(|()| async {
            let mut rest = Rest::new(clock);
            assert!(!rest.alone_on(socket.as_fd(), millis(9000)));
            rest.sleep(began + millis(100)).await;
        });
        block_on(crate::together(20, sleeps)).expect("a runtime");
        assert!((100..1000).contains(&clock.elapsed().saturating_sub(began).as_millis()), "all at once");
        assert!(alone());
    }
}
