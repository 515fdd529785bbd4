//! Lists of missing packets in loss reports: a number for one, two for a range (appendix A).

use super::sequence::{LAST, plus};

/// Marks the first number of a range.
const RANGE: u32 = 0x8000_0000;

/// The body of a loss report for `ranges` of first number and count (above 0), as many as fit in `max` bytes.
pub fn loss_list(ranges: impl IntoIterator<Item = (u32, u32)>, max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (first, count) in ranges {
        let words = if count == 1 { &[first][..] } else { &[first | RANGE, plus(first, count - 1)] };
        if bytes.len() + words.len() * 4 > max {
            break;
        }
        bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }
    bytes
}

/// The ranges of a loss report: first and last number.
pub fn losses(body: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    let mut words = body.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
    std::iter::from_fn(move || {
        let first = words.next()?;
        let last = if first & RANGE == 0 { first } else { words.next()? };
        Some((first & LAST, last & LAST))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_take_two_words_and_what_does_not_fit_waits() {
        let list = loss_list([(5, 1), (LAST, 3), (9, 1)], 100);
        assert_eq!(list.len(), 16);
        assert_eq!(losses(&list).collect::<Vec<_>>(), [(5, 5), (LAST, 1), (9, 9)]);
        assert_eq!(losses(&loss_list([(5, 1), (6, 2)], 8)).collect::<Vec<_>>(), [(5, 5)]);
        assert_eq!(losses(&[0x80, 0, 0, 1, 2]).count(), 0, "a range without its end");
    }
}
