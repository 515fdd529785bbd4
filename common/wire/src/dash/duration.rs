//! `xs:duration`, as manifests write times: `PT2S`, `PT1H2M3.5S`, `P1DT12H`.

const DAY: f64 = 86_400.0;

/// Seconds; years count as 365 days and months as 30. `None` when it is not a duration.
pub fn parse_duration(text: &str) -> Option<f64> {
    let text = text.trim();
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let text = text.strip_prefix('P')?;
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let days = sum(date, &[('Y', 365.0 * DAY), ('M', 30.0 * DAY), ('W', 7.0 * DAY), ('D', DAY)])?;
    let seconds = match time {
        Some("") => return None,
        Some(time) => sum(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])?,
        None if date.is_empty() => return None,
        None => 0.0,
    };
    Some(sign * (days + seconds))
}

/// `1H2M` with a table of units, which come in this order and each at most once.
fn sum(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let (mut total, mut units) = (0.0, units.iter());
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = text[..end].parse().ok()?;
        let unit = text[end..].chars().next()?;
        total += number * units.find(|(name, _)| *name == unit)?.1;
        text = &text[end + 1..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_of_real_manifests() {
        for (text, seconds) in [
            ("PT2S", 2.0),
            ("PT10.0S", 10.0),
            ("PT0H0M30.54S", 30.54),
            ("P1DT12H", 129_600.0),
            ("P0Y0M0DT0H3M1.63S", 181.63),
            ("-PT1M", -60.0),
            ("PT1.S", 1.0),
        ] {
            assert_eq!(parse_duration(text), Some(seconds), "{text}");
        }
        for text in ["", "P", "PT", "2S", "PT2", "PTS", "PT1S2M", "PT1S1S", "PT1,5S", "P1H", "PT-1S", "PTé"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "-?P?[0-9YMDTHS.é]{0,20}") {
            parse_duration(&text);
        }
    }
}
